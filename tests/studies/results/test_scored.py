"""What is said of studies whose runs are scored by chosen evaluations."""

import pytest
from helpers.plain_studies import plain_study
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from finetune.config import Recipe
from studies.planning.identity import BASELINE, VALIDATION
from studies.results.careful import careful
from studies.results.scored import before_attack, not_of_the_attack, optimistic
from studies.results.sentences import against_clean
from studies.results.summary import settings_of, summarise

SPACE = {"start_epoch": FloatDistribution(0, 1.5, step=0.5), "adv_eps": FloatDistribution(0.1, 0.9)}
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
        found.add_trial(create_trial(params=params, distributions=SPACE, user_attrs=attrs, value=value))
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
    assert before_attack(summary.trials[0], summary) == before


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
        assert "search.py confirm" in said
        assert summary.clean == (0.8 if score == "best" else 0.81)


def test_a_start_that_is_whole_is_a_whole_number_among_the_settings():
    summary = summarise(study("best", [(1.0, [4], 0.82), (0.5, [4], 0.8)]))
    starts = [settings_of(trial, summary.about)["start_epoch"] for trial in summary.trials]
    assert [(type(start), start) for start in starts] == [(int, 1), (float, 0.5)]
