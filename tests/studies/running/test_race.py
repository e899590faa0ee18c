"""The race: which runs it makes, whoever makes them, and who wins."""

import os
import signal
import time

import optuna
import pytest
from helpers.forks import forked

from finetune.errors import UserError
from studies.running.objective import Failed
from studies.running.race import race, rounds, runs_of
from studies.running.stages import Arm, begin_stage, find_stage, run_of
from studies.running.storage import open_storage


class Table:
    """Runs whose values are known: arm 3 is the best but for luck, arm 0 was the luckiest of the search."""

    def __init__(self, slow=0.0, dead_at=None, failing=()):
        self.slow, self.dead_at, self.failing, self.forgotten = slow, dead_at, failing, []

    def __call__(self, trial):
        arm, seed = run_of(trial)
        time.sleep(self.slow)
        if trial.number == self.dead_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if arm in self.failing:
            raise Failed("diverged")
        return value(arm, seed)

    def forget(self, seed):
        self.forgotten.append(seed)


def value(arm, seed):
    return [0.5, 0.6, 0.1, 0.75, 0.4][arm % 5] + 0.3 * (arm == 1) * (seed == 1001) - 0.01 * arm


def opened(folder, arms=5, direction="maximize"):
    storage = open_storage(f"sqlite:///{folder / 's.db'}")
    study = optuna.create_study(study_name="s", storage=storage, direction=direction, load_if_exists=True)
    made = [Arm(f"trial {n}", "fgm", {"epsilon": n + 1.0}) for n in range(arms)]
    return storage, begin_stage(study, storage, "race", made, 1001)


def won(folder, runs=None, arms=5, maximize=True):
    storage, stage = opened(folder, arms, "maximize" if maximize else "minimize")
    return race(stage, storage, runs or Table(), maximize, lambda run: None, lambda line: None)


def made(folder):
    _, stage = opened(folder)
    return [(run.number, run.params["arm"], run.params["seed"], run.value) for run in stage.study.trials]


def test_rounds():
    assert rounds(12) == [(12, 1), (6, 1), (3, 2), (2, 3)]
    assert runs_of(12) == 30
    assert rounds(50) == [(50, 1), (25, 1), (12, 2), (2, 3)]
    assert rounds(6) == [(6, 1), (3, 1), (2, 3)]
    assert rounds(5) == [(5, 1), (2, 3)]
    assert rounds(3) == [(3, 1), (2, 3)]
    assert rounds(2) == [(2, 3)]
    assert rounds(1) == rounds(0) == []


def test_means_of_all_rounds_decide_on_fresh_seeds(tmp_path):
    assert won(tmp_path) == 3  # arm 1 leads after the first seed by luck alone
    runs = made(tmp_path)
    assert [run[1:3] for run in runs[:5]] == [(arm, 1001) for arm in range(5)]
    assert [run[1:3] for run in runs[5:]] == [(arm, seed) for seed in (1002, 1003, 1004) for arm in (1, 3)]
    assert all(run[3] == value(run[1], run[2]) for run in runs)


def test_lower_is_better_and_equal_means_keep_their_order(tmp_path):
    assert won(tmp_path, maximize=False) == 2
    (tmp_path / "equal").mkdir()

    class Equal(Table):
        def __call__(self, trial):
            run_of(trial)
            return 0.5

    assert won(tmp_path / "equal", Equal()) == 0


def test_what_fails_on_a_seed_loses_and_if_all_fail_it_is_said(tmp_path):
    assert won(tmp_path, Table(failing=(3,))) == 1
    (tmp_path / "all").mkdir()
    with pytest.raises(UserError, match="every configuration of the race failed; the first: diverged"):
        won(tmp_path / "all", Table(failing=range(4)), arms=4)


def test_killed_in_a_round_and_taken_up_it_is_the_same(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    won(tmp_path / "one")
    for dead_at in (2, 5):
        with forked(won, tmp_path / "other", Table(dead_at=dead_at)) as (process, _):
            pass
        assert process.exitcode == -signal.SIGKILL
    assert won(tmp_path / "other") == 3
    assert made(tmp_path / "other") == made(tmp_path / "one")


def test_two_processes_make_each_run_once_and_agree(tmp_path):
    opened(tmp_path)
    with forked(won, tmp_path, Table(slow=0.05)) as (one, _), forked(won, tmp_path, Table(slow=0.05)) as (other, _):
        pass
    assert (one.exitcode, other.exitcode) == (3, 3)  # the winner's place
    assert len(made(tmp_path)) == 11
    assert len({run[1:3] for run in made(tmp_path)}) == 11


def test_arms_are_written_once_and_a_study_of_the_same_name_is_left_alone(tmp_path):
    storage, stage = opened(tmp_path)
    study = optuna.load_study(study_name="s", storage=storage)
    again = begin_stage(study, storage, "race", [Arm("other", "pgd", {})], 7)
    assert (again.arms, again.first) == (stage.arms, 1001)
    assert find_stage(study, "verdict") is None
    optuna.create_study(study_name="s.verdict", storage=storage).set_user_attr("mine", 1)
    with pytest.raises(UserError, match=r"'s\.verdict' is there already and is no part of a confirmation"):
        begin_stage(study, storage, "verdict", stage.arms, 1)
