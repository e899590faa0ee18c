"""What is said of studies with several evaluations in an epoch, and of runs that are scored by chosen ones."""

import itertools
import math

import pytest
from helpers.plain_studies import plain_study
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from adv import METHODS
from finetune.arguments import as_options
from finetune.config import Recipe
from finetune.training.epoch import Epoch
from studies.planning.identity import BASELINE, VALIDATION
from studies.planning.judged import evaluations_in, score_in
from studies.report.panels.epochs import draw, finding
from studies.results.budgets import spending
from studies.results.careful import careful
from studies.results.edges import beyond, limits
from studies.results.scored import before_attack, early, kept_weights, not_of_the_attack, optimistic
from studies.results.sentences import against_clean
from studies.results.summary import settings_of, summarise

SPACE = {"start_epoch": FloatDistribution(0, 1.5, step=0.5), "adv_eps": FloatDistribution(0.1, 0.9)}
# Rises from each epoch's end to the next, and falls within the last.
CLEAN = [0.7, 0.75, 0.74, 0.8, 0.79, 0.78]


def study(score, trials, attrs=None):
    """Three epochs with two evaluations each; a trial for each (start, chosen evaluations, value)."""
    recipe = Recipe(epochs=3, evals_per_epoch=2, score=score, seed=7).model_dump(mode="json")
    found = plain_study([], SPACE, clean=CLEAN, attrs=attrs, about={"recipe": recipe})
    history = found.user_attrs[BASELINE]
    if score != "last":
        numbers = [3] if score == "best" else [3, 4, 5]
        history[-1] |= {"scored": {"accuracy": 0.8 if score == "best" else 0.81}, "chosen": numbers}
    found.set_user_attr(BASELINE, history)
    for start, chosen, value in trials:
        attrs = {"seconds": 1.0, "metrics": {"accuracy": value}, "scored evaluations": chosen}
        params = {"start_epoch": start, "adv_eps": 0.5}
        reports = {number: value - 0.01 * (5 - number) for number in range(6)}
        facts = {"params": params, "distributions": SPACE, "user_attrs": attrs, "intermediate_values": reports}
        found.add_trial(create_trial(value=value, **facts))
    return found


@pytest.mark.parametrize(
    ("start", "chosen", "before"),
    [
        (1.5, [0], True),
        (1.5, [2], True),  # the attack begins just after it
        (1.5, [3], False),
        (1.0, [1], True),
        (0.5, [1], False),
        (0.0, [0], False),
        (1.5, [0, 1, 2], True),
        (1.5, [1, 2, 3], False),
        (1.5, [], False),
    ],
)
def test_a_value_from_before_the_attack_is_seen(start, chosen, before):
    summary = summarise(study("best", [(start, chosen, 0.8)]))
    assert before_attack(summary.trials[0], summary) == early(summary.trials[0], start, 2) == before


def test_trials_without_a_choice_are_never_meant():
    summary = summarise(study("last", [(1.5, "damaged", 0.8)]))
    assert not before_attack(summary.trials[0], summary)
    assert (optimistic(summary), not_of_the_attack(summary)) == (None, None)


def test_such_trials_are_counted_and_the_best_is_not_called_good():
    trials = [(1.5, [0], 0.79), (1.0, [4], 0.78), (1.0, [1], 0.82)]
    summary = summarise(study("best", trials))
    said = not_of_the_attack(summary)
    assert said.startswith("in 2 of 3 complete trials the chosen evaluations lie before the attack (trials 0 and 2); ")
    assert "the best trial is one of them" in said
    assert said in careful(summary)
    assert against_clean(summary).endswith("on one seed: its value was reached before its attack began")
    fine = summarise(study("best", [(1.0, [4], 0.82)]))
    assert not_of_the_attack(fine) is None
    assert "before its attack" not in against_clean(fine)
    many = summarise(study("best", [(1.5, [0], 0.5 + number / 100) for number in range(8)]))
    assert "(trials 0, 1, 2, 3, 4, 5 and 2 more)" in not_of_the_attack(many)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ("best", ["the best of 6 evaluations", "clean training has 0.8000 after epoch 2, 0.7800 at the end"]),
        ("soup", ["the mean weights of the best 3 of 6 evaluations", "clean training has 0.8100, 0.7800 at the end"]),
    ],
)
def test_the_optimism_is_told_with_its_size_where_that_is_known(score, words):
    for attrs in (None, {VALIDATION: {"rows": 600, "error": {}, "luck": {"accuracy": 0.0123}}}):
        summary = summarise(study(score, [(1.0, [4], 0.82)], attrs))
        said = optimistic(summary)
        assert said in careful(summary)
        assert [word for word in words if word not in said] == []
        assert ("by about 0.0123 for clean training" in said) == (attrs is not None)
        assert "search.py confirm reads once" in said
        assert summary.clean == (0.8 if score == "best" else 0.81)


@pytest.mark.parametrize(
    ("chosen", "per", "words"),
    [
        ((0,), 2, "are those after epoch 0.5, the best of 2 evaluations"),
        ((1,), 1, "are those after epoch 2, the best of 2 evaluations"),
        ((0, 1), 2, "are the mean of those after epoch 0.5 and epoch 1, the best 2 of 2 evaluations"),
    ],
)
def test_a_run_says_which_weights_it_leaves(chosen, per, words):
    history = [Epoch(0, {"f1": 0.5}, {}, 0.1, 1.0), Epoch(1, {"f1": 0.4}, {}, 0.1, 1.0, {"f1": 0.5}, chosen)]
    recipe = Recipe(epochs=2 // per, evals_per_epoch=per, score="best")
    assert as_options(kept_weights(history, recipe)) == f"--score best: the saved weights, whose value this is, {words}"
    assert kept_weights(history[:1], recipe) is None


@pytest.mark.parametrize("score", ["best", "soup"])
def test_where_epochs_are_searched_each_run_has_its_own_number_of_evaluations(score):
    summary = summarise(study(score, [(1.0, [4], 0.82)]))
    summary.about["space"]["epochs"] = {}
    said = optimistic(summary)
    assert "of its run's evaluations (" in said
    assert "6" not in said


@pytest.mark.parametrize("luck", [0.0, -0.0002, 0.00004])
def test_optimism_that_cannot_be_seen_has_no_size(luck):
    attrs = {VALIDATION: {"rows": 600, "error": {}, "luck": {"accuracy": luck}}}
    assert "by hardly anything for clean training" in optimistic(summarise(study("best", [(1.0, [4], 0.82)], attrs)))


def test_a_start_that_is_whole_is_a_whole_number_among_the_settings():
    summary = summarise(study("best", [(1.0, [4], 0.82), (0.5, [4], 0.8)]))
    starts = [settings_of(trial, summary.about)["start_epoch"] for trial in summary.trials]
    assert [(type(start), start) for start in starts] == [(int, 1), (float, 0.5)]
    for stored, shown in ((5 * 0.3333333333, 1.666667), (3 * 0.3333333333, 1), (math.nan, math.nan), ("late", "late")):
        trial = create_trial(params={}, distributions={}, value=0.5)
        trial.params = {"start_epoch": stored}
        assert settings_of(trial, summary.about)["start_epoch"] == pytest.approx(shown, nan_ok=True)


def test_epochs_are_counted_where_evaluations_are_stored():
    """Two evaluations in each of three epochs: seconds, passes, the end of an epoch, the latest start, the figure."""
    made = study("last", [(1.0, None, 0.82), (0.5, None, 0.8)])
    params = {"start_epoch": 1.5, "adv_eps": 0.5}
    reports = {"intermediate_values": {0: 0.7, 1: 0.7, 2: 0.7, 3: 0.7}, "distributions": SPACE, "params": params}
    made.add_trial(
        create_trial(state=TrialState.PRUNED, user_attrs={"seconds": 1.0, "metrics": {"accuracy": 0.7}}, **reports)
    )
    summary = summarise(made)
    assert (summary.per, summary.clean_epochs) == (2, [2.0, 2.0, 2.0])
    cost = METHODS["awp"]().cost().relative
    passes = [(1 + 2 * cost) / 3, (0.5 + 2.5 * cost) / 3, (1.5 + 0.5 * cost) / 3]
    assert [spent.passes for spent in spending(summary)] == pytest.approx(list(itertools.accumulate(passes)))
    assert limits(summary, "start_epoch") == (0, 1.5)
    assert beyond(summary, "start_epoch", FloatDistribution(0, 1.0, step=0.5), upper=True) == ["0", "1.5"]
    assert beyond(summary, "start_epoch", FloatDistribution(0, 1.5, step=0.5), upper=True) is None
    figure = draw(summary)
    clean = figure.data[-1]
    assert list(clean.x) == [0.5, 1, 1.5, 2, 2.5, 3]
    assert "after epoch 0.5 to 0.7800 after epoch 3." in finding(summary)


@pytest.mark.parametrize(("last", "rises"), [(0.9, True), (0.78, False)])
def test_clean_training_still_rises_if_its_last_epoch_is_better_than_those_before(last, rises):
    """Not its last evaluation: 0.79, then 0.78 within the last epoch."""
    made = study("last", [(1.0, None, 0.82)])
    history = made.user_attrs[BASELINE]
    history[-1]["metrics"]["accuracy"] = last
    made.set_user_attr(BASELINE, history)
    said = [line for line in careful(summarise(made)) if line.startswith("clean training is still improving")]
    assert bool(said) == rises
    if rises:
        assert "0.8000, then 0.9000" in said[0]
        assert "6-epochs" in said[0]


@pytest.mark.parametrize(
    ("data", "recipe", "found"),
    [
        ({"task": "reviews"}, {"evals_per_epoch": 3, "score": "soup"}, (3, "soup")),
        ({"task": "reviews"}, {}, (1, "last")),  # an older study
        ({"loop": "train"}, {"evals_per_epoch": 3, "score": 0.5}, (1, "last")),  # names of the loop's own
    ],
)
def test_what_an_identity_says_about_evaluations(data, recipe, found):
    about = {"data": data, "recipe": recipe}
    assert (evaluations_in(about), score_in(about)) == found
