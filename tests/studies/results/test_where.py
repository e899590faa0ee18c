import pytest
from helpers.made_up_studies import matter_of, summary
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from studies.results.importance import Matters
from studies.results.where import best_range, borders_of, corner, where

SPACE = {"lr": FloatDistribution(1e-3, 1.0, log=True), "eps": FloatDistribution(0.0, 1.0)}
RATES = (0.001, 0.01, 0.1, 1.0)


def trial(lr, eps, value=0.5, state=TrialState.COMPLETE):
    return create_trial(params={"lr": lr, "eps": eps}, distributions=SPACE, value=value, state=state)


GRID = [trial(lr, eps) for lr in RATES for eps in (0.0, 0.25, 0.5, 1.0)]


@pytest.mark.parametrize(
    ("names", "broken", "words"),
    [
        (["lr"], lambda lr, eps: lr > 0.05, "with lr above 0.032, 8 of 8 trials broke, elsewhere 0 of 8 trials"),
        (["lr"], lambda lr, eps: lr < 0.005, "with lr below 0.0032, 4 of 4 trials broke, elsewhere 0 of 12 trials"),
        (["eps"], lambda lr, eps: eps > 0.3, "with eps above 0.38, 8 of 8 trials broke, elsewhere 0 of 8 trials"),
        (
            ["eps", "lr"],
            lambda lr, eps: eps > 0.3 and lr > 0.05,
            "with eps above 0.38 and lr above 0.032, 4 of 4 trials broke, elsewhere 0 of 12 trials",
        ),
        (
            ["eps", "lr"],
            lambda lr, eps: (eps < 0.3 and lr > 0.5) or (lr, eps) == (0.01, 1.0),
            "with eps below 0.38 and lr above 0.32, 2 of 2 trials broke, elsewhere 1 of 14 trials",
        ),
    ],
)
def test_the_corner_of_the_broken_trials(names, broken, words):
    assert corner(names, GRID, [broken(**t.params) for t in GRID]) == words


@pytest.mark.parametrize("broken", [[True] * 16, [False] * 16])
def test_no_corner_where_all_are_alike(broken):
    assert corner(["lr"], GRID, broken) == ""


@pytest.mark.parametrize("maximize", [True, False])
def test_the_range_of_the_best_quarter(maximize):
    found = summary("C" * 9, SPACE, maximize=maximize)
    sign = 1 if maximize else -1
    trials = [trial(10 ** -(number / 4), 0.5, value=-sign * abs(number - 4)) for number in range(12)]
    assert best_range(["lr"], trials, found) == "the best quarter of them has lr 0.056 to 0.18"
    assert best_range(["eps"], trials, found) == "the best quarter of them has eps 0.5"
    assert best_range(["lr"], trials[:2], found) == ""


def test_borders_lie_between_values_on_their_own_scale():
    assert borders_of([1.0, 2.0, 2.0, 4.0]) == [1.5, 3.0]
    assert borders_of([0.01, 1.0, 100.0]) == pytest.approx([0.1, 10.0])
    assert borders_of([3.0]) == []
    assert len(borders_of([float(n) for n in range(500)])) <= 27


def test_choices_have_no_place():
    space = {"word": CategoricalDistribution(["a", "b"]), "x": FloatDistribution(0, 1)}
    found = summary("C" * 9, space)
    found.__dict__["matters"] = Matters([], 0.01, [0, 1], 9)
    assert where(matter_of("word", "breaks"), found) == ""
    assert where(matter_of("word"), found) == ""
    assert where(matter_of("x", "breaks"), found).startswith("with x ")
    assert where(matter_of("strength"), found).startswith("the best quarter of them has strength ")
