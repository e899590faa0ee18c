"""Which configurations between the defaults and the winner are run, in which order, and which path they show."""

import os
import random
import signal
import time
from dataclasses import asdict
from itertools import combinations

import optuna
import pytest
from helpers.forks import forked

from studies.running.objective import Failed
from studies.running.parts import PLAN, PartsPlan, follow, path_of, plan_in, run_parts
from studies.running.stages import PARTS, Arm, begin_stage, run_of, stage_study, write_once
from studies.running.storage import open_storage


def plan(names, *, seeds=2, greedy=True, pair=None, without=(), arms=None):
    """A plan with all configurations but some; names have one letter."""
    every = [each for size in range(len(names)) for each in combinations(names, size)]
    kept = every if arms is None else [tuple(arm) for arm in arms]
    return PartsPlan(tuple(names), seeds, greedy, [arm for arm in kept if "".join(arm) not in without], pair)


def walked(plan, scores):
    """The rounds of runs and the path, each configuration as the letters that it changed."""
    rounds = []

    def ready(arms):
        rounds.append(["".join(arm) for arm in arms])
        return True

    path = follow(plan, lambda arm: scores["".join(arm)], ready)
    return rounds, ["".join(arm) for arm in path]


def test_each_step_keeps_the_best_of_all_further_changes():
    scores = {"": 0.5, "a": 0.52, "b": 0.55, "c": 0.4, "ab": 0.51, "bc": 0.6, "ac": 9.0}
    rounds, path = walked(plan("abc"), scores)
    assert path == ["", "b", "bc", "abc"]
    # neither the winner, which the verdict has, nor a and c, which is on no path of the best
    assert rounds == [["", "a", "b", "c"], ["ab", "bc"], [], []]


def test_equal_ones_keep_their_order_and_a_worse_step_is_taken_too():
    assert walked(plan("abc"), dict.fromkeys(["", "a", "b", "c", "ab", "ac", "bc"], 0.5))[1] == ["", "a", "ab", "abc"]
    assert walked(plan("ab"), {"": 0.9, "a": 0.1, "b": 0.2})[1] == ["", "b", "ab"]


@pytest.mark.parametrize(("names", "arms"), [("a", 1), ("ab", 3), ("abc", 6), ("abcd", 10), ("abcde", 15)])
def test_so_many_arms(names, arms):
    found, scores = plan(names), {"".join(arm): -len(arm) for arm in plan(names).arms}
    assert sum(map(len, walked(found, scores)[0])) == arms
    assert found.most == 2 * arms


def test_more_settings_change_in_their_order():
    names = "abcdef"
    arms = ["", "a", "ab", "abc", "abcd", "abcde", "b"]
    found = plan(names, greedy=False, arms=arms)
    assert walked(found, {}) == ([["", "a"], ["ab"], ["abc"], ["abcd"], ["abcde"], [], ["b"]], [*arms[:6], names])
    assert found.most == 2 * 7


def test_the_corners_of_a_pair_are_run_unless_the_path_has_them():
    scores = {"": 0, "a": 3, "b": 1, "c": 2, "ab": 5, "ac": 4, "bc": 9}
    for pair, extra in [("bc", ["bc"]), ("cb", ["bc"]), ("ab", []), ("ac", [])]:
        found = plan("abc", pair=tuple(pair))
        rounds, path = walked(found, scores)
        assert (rounds[-1], path) == (extra, ["", "a", "ab", "abc"])
        assert found.corners([]) == [(), (min(pair),), (max(pair),), tuple(sorted(pair))]
        assert found.most == 2 * 7
    assert plan("abc").corners([(), ("c",), ("a", "c")]) == [(), ("a",), ("c",), ("a", "c")]  # the first two steps
    assert plan("a").corners([(), ("a",)]) == []


def test_configurations_that_are_not_allowed_are_on_no_path():
    assert walked(plan("abc", without={"b", "ac"}), {"": 0, "a": 1, "c": 2, "ab": 0, "bc": 0})[1] == ["", "c", "bc", "abc"]
    # where no single change is allowed, the step goes to the winner
    assert walked(plan("abc", without={"ab", "ac"}), {"": 0, "a": 2, "b": 1, "c": 0})[1] == ["", "a", "abc"]
    assert plan("abc", without={"ab", "ac"}).corners([(), ("a",), ("a", "b", "c")]) == []
    assert plan("abc", pair=("a", "b"), without={"ab"}).corners([]) == []
    assert walked(plan("abcdef", greedy=False, arms=["", "ab", "abcde"]), {})[1] == ["", "ab", "abcde", "abcdef"]


VALUES = {"": 0.5, "a": 0.6, "b": 0.7, "c": 0.4, "ab": 0.65, "bc": 0.8, "ac": 0.9}


class Table:
    """Runs whose values are known, to 0.01 by seed; they take their time."""

    def __init__(self, names, dead_at=None, failing=(), slow=0.0):
        self.names, self.dead_at, self.failing, self.slow = names, dead_at, failing, slow

    def __call__(self, trial):
        arm, seed = run_of(trial)
        time.sleep(self.slow * random.random())
        if trial.number == self.dead_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if (self.names[arm], seed) in self.failing:
            raise Failed("diverged")
        return VALUES[self.names[arm]] + 0.01 * (seed % 2)

    def forget(self, seed):
        """Nothing is shared."""


def opened(folder, maximize=True):
    storage = open_storage(f"sqlite:///{folder / 's.db'}")
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(study_name="s", storage=storage, direction=direction, load_if_exists=True)
    write_once(stage_study(study, storage, PARTS), storage, PLAN, asdict(plan("abc")))
    arms = [Arm("".join(arm) or "-", "fgm", {}) for arm in plan("abc").arms]
    return storage, begin_stage(study, storage, PARTS, arms, 2001)


def parted(folder, maximize=True, **how):
    """Make the runs; the number of the last one."""
    storage, stage = opened(folder, maximize)
    found = plan_in(stage)
    assert found == plan("abc")
    runs = Table(["".join(arm) for arm in found.arms], **how)
    run_parts(stage, found, storage, runs, maximize, lambda run: None, lambda line: None)
    return len(stage.study.trials) - 1


def made(folder):
    _, stage = opened(folder)
    names = ["".join(arm) for arm in plan("abc").arms]
    return [(names[run.params["arm"]], run.params["seed"], run.value) for run in stage.study.trials]


def shown(folder, maximize=True):
    _, stage = opened(folder, maximize)
    path = path_of(stage, plan_in(stage), maximize)
    return path and ["".join(arm) for arm in path]


def test_all_configurations_of_a_round_run_on_one_seed_before_the_next(tmp_path):
    assert shown(tmp_path) is None
    parted(tmp_path)
    first = [(name, seed) for seed in (2001, 2002) for name in ("", "a", "b", "c")]
    then = [(name, seed) for seed in (2001, 2002) for name in ("ab", "bc")]
    assert [run[:2] for run in made(tmp_path)] == first + then
    assert shown(tmp_path) == ["", "b", "bc", "abc"]


def test_where_lower_is_better_the_lowest_stays(tmp_path):
    parted(tmp_path, maximize=False)
    assert shown(tmp_path, maximize=False) == ["", "c", "bc", "abc"]


def test_what_fails_on_a_seed_does_not_stay(tmp_path):
    parted(tmp_path, failing=[("b", 2002)])
    assert shown(tmp_path) == ["", "a", "ac", "abc"]


def test_several_processes_and_killed_ones_make_the_same_runs(tmp_path):
    for name in ("one", "several"):
        (tmp_path / name).mkdir()
        opened(tmp_path / name)
    parted(tmp_path / "one")
    with forked(killed, tmp_path / "several") as (process, _):
        pass
    assert process.exitcode == -signal.SIGKILL
    assert shown(tmp_path / "several") is None
    both = [forked(parted, tmp_path / "several", True), forked(parted, tmp_path / "several", True)]
    with both[0] as (one, _), both[1] as (other, _):
        pass
    assert (one.exitcode, other.exitcode) == (11, 11)
    assert made(tmp_path / "several") == made(tmp_path / "one")


def killed(folder):
    """Make runs until the process is killed in the second round."""
    return parted(folder, dead_at=9, slow=0.01)
