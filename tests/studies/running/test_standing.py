"""How the trials of a study stand."""

import math

import optuna
import pytest
from helpers.plain_studies import plain_study
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from studies.running.standing import better, standing

SPACE = {"epsilon": FloatDistribution(0, 1)}


def study(values, **options):
    return plain_study([(value, {"epsilon": 0.5}) for value in values], SPACE, **options)


@pytest.mark.parametrize(
    ("values", "maximize", "numbers"),
    [
        ([0.7, 0.9, 0.8], True, [1, 2, 0]),
        ([0.7, 0.9, 0.8], False, [0, 2, 1]),
        ([0.8, None, 0.8, 0.9], True, [3, 0, 2]),  # a failed one; of equal ones the earlier
        ([-0.5, 0.0, -1e-9], True, [1, 2, 0]),
        ([math.inf, 0.3], True, [1]),
        ([], True, []),
    ],
)
def test_the_best_first(values, maximize, numbers):
    assert standing(study(values, maximize=maximize)) == numbers


def test_trials_that_a_search_did_not_make_do_not_stand():
    found = study([0.5])
    found.add_trial(create_trial(value=0.9, params={"epsilon": 0.1}, distributions=SPACE))  # not measured here
    found.add_trial(create_trial(value=0.9, user_attrs={"metrics": {"accuracy": 0.9}}))  # without the setting
    assert standing(found) == [0]


@pytest.mark.parametrize(
    ("value", "but", "count"),
    [
        (0.85, 9, 1),
        (0.95, 9, 0),
        (0.9, 9, 0),
        (0.90004, 9, 0),
        (0.89996, 9, 0),
        (0.8999, 9, 1),
        (0.7, 1, 1),
        (math.nan, 9, 6),
    ],
)
def test_how_many_are_better(value, but, count):
    assert better(study([0.7, 0.9, 0.8]), value, but) == count
    lower = study([-0.7, -0.9, -0.8], maximize=False)
    assert better(lower, -value, but) == count


def test_two_metrics_stand_by_the_first():
    found = optuna.create_study(directions=["minimize", "minimize"])
    for values in ([0.3, 1.0], [0.2, 9.0]):
        found.add_trial(create_trial(values=values, user_attrs={"metrics": {"rmse": values[0]}}))
    assert standing(found) == [1, 0]
