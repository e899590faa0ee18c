"""The estimate before the first trial: clean seconds times passes, over the space."""

import pytest
from helpers import plans
from optuna.distributions import IntDistribution

from adv import METHODS
from finetune.config import Data, Recipe
from studies.planning.plan import Plan
from studies.running.estimate import duration, estimate, seconds_of, seconds_of_run


def plan_of(method, *sets, epochs=4, tune=()):
    return plans.plan_of(method, sets, tune=tune, epochs=epochs)


@pytest.mark.parametrize(
    ("method", "sets", "reuse", "seconds"),
    [
        ("fgm", ["epsilon=1", "start_epoch=0"], True, 4 * 2 * 10),  # two passes of each kind
        ("fgm", ["epsilon=1", "start_epoch=3"], True, 1 * 2 * 10),  # three clean epochs are there already
        ("fgm", ["epsilon=1", "start_epoch=3"], False, 3 * 10 + 1 * 2 * 10),
        ("pgd", ["epsilon=1", "alpha=1", "K=3", "start_epoch=2"], True, None),
        ("none", [], True, 4 * 10),
    ],
)
def test_a_trial_takes_its_passes(method, sets, reuse, seconds):
    plan = plan_of(method, *sets)
    if method == "pgd":
        cost = METHODS["pgd"](K=3).cost()
        seconds = 2 * 10 * (cost.forward + 2 * cost.backward + cost.inner) / 3
    assert seconds_of(plan, [10, 9, 100, 10], reuse) == pytest.approx(seconds)


def test_a_space_is_averaged():
    plan = plan_of("fgm", "epsilon=1", epochs=3)
    assert plan.space == {"start_epoch": IntDistribution(0, 1)}
    assert seconds_of(plan, [1.0], True) == pytest.approx(2 * (3 + 2) / 2, rel=0.05)


def test_a_tuned_recipe_shares_no_clean_epochs():
    plan = plan_of("fgm", "epsilon=1", "start_epoch=3", tune=["learning_rate"])
    assert seconds_of(plan, [1.0], True) == pytest.approx(3 + 2)


def test_the_sentence():
    plan = plan_of("fgm", "epsilon=1", "start_epoch=0")
    assert estimate(plan, [5.0], 9, True, False) == (
        "an estimate: about 6 min for the 9 remaining trials, 40 s each by their passes"
    )
    assert estimate(plan, [5.0], 1, True, True) == (
        "an estimate: about 40 s for the remaining trial, 40 s each by their passes; less with pruning"
    )
    for workers, abreast, by in ((4, 4, "2 min for the 9 remaining trials by 4 workers"), (4, 2, "3.3 min for the 9")):
        said = estimate(plan, [5.0], 9, True, False, workers, abreast)
        assert said.startswith(f"an estimate: about {by}")
        assert ("by 4 workers at the speed of 2, 40 s each" in said) == (abreast == 2)
    assert estimate(plan, [5.0], 0, True, True) is None
    assert estimate(plan, [], 3, True, True) is None


def test_settings_that_exclude_each_other_cost_nothing():
    plan = Plan("fgm", Data(task="reviews"), Recipe(), {}, {"epsilon": -1})
    assert estimate(plan, [5.0], 3, True, True) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 s"), (59, "59 s"), (89, "89 s"), (90, "1.5 min"), (3000, "50 min"), (5400, "1.5 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_run_that_was_tuned_to_more_epochs_takes_longer():
    fgm = METHODS["fgm"](epsilon=1.0, start_epoch=1)
    assert seconds_of_run(fgm, {}, [2.0, 2.0]) == 2.0 * (1 + 2)
    assert seconds_of_run(fgm, {"epochs": 4}, [2.0, 2.0]) == 2.0 * (1 + 3 * 2)
