"""What is run to take a winner apart, and when there is nothing to take apart."""

import os
import signal
from pathlib import Path

import optuna
import pytest
from helpers.forks import forked
from helpers.made_up_parts import SEED, add_run, judged, searched, taken_apart
from helpers.made_up_studies import matter_of, summary, with_findings
from optuna.distributions import FloatDistribution, IntDistribution
from optuna_dashboard import get_note

import search as command
from studies import confirm, load, tune
from studies.results.importance import Finding
from studies.results.parts_words import parts_lines
from studies.results.summary import summarise
from studies.running.footprint import snapshots
from studies.running.parts import plan_in
from studies.running.stages import Arm, read_stage
from studies.running.storage import open_storage
from studies.taking_apart import Pieces, by_importance, strongest_pair

DEFAULTS = {"adv_eps": 0.2, "adv_lr": 1.0, "start_epoch": 0}
UNIT = FloatDistribution(0.01, 2.0)
PGD = {"epsilon": UNIT, "alpha": UNIT, "K": IntDistribution(1, 5), "start_epoch": IntDistribution(0, 2)}
TUNED = {"learning_rate": FloatDistribution(1e-5, 1e-2), "weight_decay": FloatDistribution(0, 0.1)}


def pair_of(one, other, share=0.9, evidence=True):
    return Finding((one, other), "breaks", share, 0.8, 1.0, 0.3, evidence)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 's.db'}"


def test_arms_have_the_winners_values_of_some_settings_and_defaults_of_the_others(url):
    search, storage = searched(url, fixed={"combine": "mean"})
    winner = {"combine": "mean", "adv_eps": 0.05, "adv_lr": 0.01, "start_epoch": 0}
    verdict = judged(search, winner, [0.8] * 3, [0.83] * 3)
    said, study = taken_apart(search, storage, verdict, lambda who, seed: 0.5)
    stage = read_stage(study)
    assert stage.first == SEED
    assert [(arm.who, arm.settings) for arm in stage.arms] == [
        ("the defaults", {"combine": "mean", **DEFAULTS}),
        ("adv_eps changed", {"combine": "mean", **DEFAULTS, "adv_eps": 0.05}),
        ("adv_lr changed", {"combine": "mean", **DEFAULTS, "adv_lr": 0.01}),
    ]
    assert {arm.recipe == {} and arm.method == "awp" and not arm.rival for arm in stage.arms} == {True}
    # as many seeds as the verdict has; neither the winner nor clean training is run again
    assert said[0] == "parts: 3 seeds, as many as the verdict has, not 8"
    assert "2 settings of the winner differ from the defaults (adv_eps and adv_lr): at most 9 runs on 3 of" in said[1]
    assert "--parts 0 leaves them out" in said[1]
    assert [run.params["seed"] - SEED for run in study.trials] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_searched_recipe_is_taken_apart_too():
    search = summary("C" * 8, {"adv_eps": FloatDistribution(1e-4, 0.3), **TUNED})
    usual = search.about["recipe"]
    tuned = {"learning_rate": 1e-3, "weight_decay": usual["weight_decay"]}
    pieces = Pieces(search, Arm("trial 5", "awp", {"adv_eps": 0.1}, tuned))
    assert pieces.names == ("adv_eps", "learning_rate")
    arms = [pieces.arm(changed) for changed in pieces.plan(4).arms]
    assert [(arm.settings, arm.recipe) for arm in arms] == [
        ({"adv_eps": 0.2}, {}),
        ({"adv_eps": 0.1}, {}),
        ({"adv_eps": 0.2}, {"learning_rate": 1e-3}),
    ]


@pytest.mark.parametrize(
    ("winner", "seeds", "words"),
    [
        (DEFAULTS, 4, "parts: the winner has the method's defaults, so there is nothing to take apart"),
        (DEFAULTS | {"adv_lr": 0.01}, 1, "parts: the verdict has one seed, which shows no spread, so there is nothing"),
    ],
)
def test_nothing_to_take_apart_is_one_line(winner, seeds, words):
    search = summary("C" * 8)
    storage = search.study._storage
    verdict = judged(search, winner, [0.8] * seeds, [0.8] * seeds)
    said, study = taken_apart(search, storage, verdict, None)
    assert [line.startswith(words) for line in said] == [True]
    assert study is None
    assert summarise(search.study).confirmed.parts is None
    assert taken_apart(search, storage, verdict, None, seeds=0) == ([], None)


def test_finished_it_is_not_run_again_and_more_seeds_are_asked_for_by_deleting_it(url):
    search, storage = searched(url)
    verdict = judged(search, DEFAULTS | {"adv_lr": 0.01}, [0.8] * 4, [0.83] * 4)
    taken_apart(search, storage, verdict, lambda who, seed: 0.5, seeds=2)
    assert taken_apart(search, storage, verdict, None, seeds=2)[0] == []
    said, study = taken_apart(search, storage, verdict, None, seeds=3)
    assert said == ["parts: they keep their 2 seeds; for more, first: search.py studies delete made.parts"]
    assert len(study.trials) == 2
    for seed in range(4, 9):  # a verdict that goes on changes nothing
        for arm in (0, 1):
            add_run(verdict.study, arm, SEED + seed, 0.9)
    assert summarise(search.study).confirmed.parts.seeds == 2


def test_more_than_five_settings_change_in_the_order_of_their_importances(url):
    search, storage = searched(url, space={**PGD, **TUNED})
    search.about["method"] = "pgd"
    rows = [matter_of("K", share=0.2), matter_of("alpha", share=0.5), pair_of("weight_decay", "start_epoch", 0.4)]
    search = with_findings(search, [*rows, pair_of("K", "alpha", 0.9, evidence=False)])
    pgd = {"epsilon": 0.5, "alpha": 0.1, "K": 2, "start_epoch": 1}
    pieces = Pieces(search, Arm("trial 5", "pgd", pgd, {"learning_rate": 1e-3, "weight_decay": 0.05}))
    plan, order = pieces.plan(2), ("alpha", "start_epoch", "weight_decay", "K", "epsilon", "learning_rate")
    assert (sorted(plan.names), plan.greedy, plan.pair) == (sorted(order), False, ("weight_decay", "start_epoch"))
    # K alone is below its floor, and what has no evidence comes after what has: alpha 0.5, the pair 0.4
    assert (plan.names[0], set(plan.names[1:3])) == ("alpha", {"start_epoch", "weight_decay"})
    assert plan.arms[:6] == [plan.names[:size] for size in range(6)]
    assert plan.arms[6:] == [("weight_decay",), ("start_epoch",), plan.names[1:3]]
    verdict = judged(search, pgd, [0.8] * 2, [0.83] * 2, {"learning_rate": 1e-3, "weight_decay": 0.05})
    said, study = taken_apart(search, storage, verdict, lambda who, seed: 0.5)
    assert "more than 5, so they change in the order of their importances: at most 18 runs" in said[1]
    assert len(study.trials) == 18
    assert plan_in(read_stage(study)).names == plan.names


def test_configurations_that_the_method_refuses_are_left_out():
    search = summary("C" * 8, {"adv_eps": UNIT, "adv_step": IntDistribution(1, 3)}, fixed={"adv_lr": 0.1})
    pieces = Pieces(search, Arm("trial 5", "awp", {"adv_lr": 0.1, "adv_eps": -1.0, "adv_step": 2}))
    assert pieces.plan(2).arms == [(), ("adv_step",)]


def test_the_strongest_pair_is_one_that_was_found_among_settings_that_differ():
    rows = [
        matter_of("a"),
        pair_of("a", "b", 0.5),
        pair_of("b", "c", 0.7),
        pair_of("c", "d", 0.8),
        pair_of("a", "c", 0.9, False),
    ]
    assert strongest_pair(rows, ("a", "b", "c", "d")) == ("c", "d")
    assert strongest_pair(rows, ("a", "b", "c")) == ("b", "c")
    assert strongest_pair(rows, ("a", "c")) is None
    assert strongest_pair([], ("a", "c")) is None
    assert by_importance([], ("b", "a")) == ("b", "a")


def loop(run):
    """A loop whose error depends on settings and seed alone: only a small adv_lr with a small adv_eps is good."""
    small = [float(getattr(run.method, name, 0) < limit) for name, limit in (("adv_lr", 0.5), ("adv_eps", 0.1))]
    return 3.0 - 0.5 * small[0] - 2.0 * small[0] * small[1] + 0.01 * (run.seed % 7)


def killed():
    """Confirm with a loop that is killed in the last run that takes the winner apart."""

    def then_die(run):
        place = run.folder  # as a loop with checkpoints
        if place.name == "parts-5":
            os.kill(os.getpid(), signal.SIGKILL)
        return loop(run)

    confirm("own", train=then_die, seeds=2, race=0, parts=2, progress=False)


def test_a_loop_of_ones_own_is_taken_apart_also_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"adv_lr": (0.01, 1.0), "adv_eps": (0.001, 0.2)}
    tune(loop, "awp", epochs=1, trials=4, seed=3, study="own", direction="minimize", space=given, progress=False)
    with forked(killed) as (process, _):
        pass
    assert process.exitcode == -signal.SIGKILL
    assert load(study="own").verdict.parts is None
    assert [path.name for path in snapshots(Path("runs/own"))] == ["parts-5"]  # counted, and deleted with the study
    verdict = confirm("own", train=loop, seeds=2, race=0, parts=2, progress=False).verdict
    stage = optuna.load_study(study_name="own.parts", storage=open_storage("sqlite:///studies.db"))
    assert [(run.params["arm"], run.params["seed"]) for run in stage.trials] == [
        (arm, seed) for seed in (2004, 2005) for arm in (0, 1, 2)
    ]
    assert (verdict.parts.pair.first.mean, verdict.parts.pair.second.mean) == pytest.approx((0.0, 0.5))
    assert verdict.parts.pair.both.mean == pytest.approx(2.5)
    assert "together +2.5000" in get_note(optuna.load_study(study_name="own", storage=stage._storage)).replace("\\", "")
    assert (
        "adv_eps and adv_lr together +2.5000 (on every seed); adv_eps alone 0.0000 (on every seed)"
        in parts_lines(verdict)[1]
    )
    assert command.run(["studies"]) == 0
    assert command.run(["studies", "delete", "own.verdict", "--yes"]) == 0
    assert "own.parts" not in optuna.get_all_study_names(open_storage("sqlite:///studies.db"))
