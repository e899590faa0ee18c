"""Which configuration best.yaml has: the winner of a confirmation, also one that the search never tried."""

import pytest
import yaml
from helpers.made_up_stages import made_stage
from helpers.plain_studies import plain_study

from finetune.config import Recipe
from spaces import space_of
from studies.report.answer import config
from studies.results.choice import choice_of, chosen, winner_alone
from studies.results.confirm_words import without_rows
from studies.results.export import as_yaml, best_of
from studies.results.summary import summarise

SPACE = {"epsilon": space_of("fgm", 4)["epsilon"]}
CLEAN = {"who": "clean training", "method": "none", "settings": {}}
DEFAULTS = {"who": "the defaults", "method": "fgm", "settings": {"epsilon": 1.0}}
TRIAL = {"who": "trial 0", "method": "fgm", "settings": {"epsilon": 0.2}, "trial": 0}


def confirmed(winner=DEFAULTS, clean=(0.7, 0.71, 0.72), values=(0.75, 0.76, 0.77), **about):
    """A search of two trials, of which the second is the best, and a verdict."""
    recipe = Recipe(epochs=2, seed=7).model_dump(mode="json")
    about = {"method": "fgm", "recipe": recipe} | about
    study = plain_study([(0.72, {"epsilon": 0.2}), (0.8, {"epsilon": 0.5})], SPACE, about=about)
    if winner is not None:
        made_stage(study, "verdict", [(CLEAN, list(clean)), (winner, list(values))], cap=3)
    return summarise(study)


def test_a_winner_that_is_no_trial_is_written_with_the_run_that_measured_it():
    summary = confirmed()
    best = best_of(summary)
    assert (best.settings, best.recorded.trial, best.recorded.value, best.recorded.clean) == (
        {"epsilon": 1.0},
        None,
        0.75,
        0.7,
    )
    assert best.recipe.seed == best.recorded.searched.recipe.seed == 2001
    text = as_yaml(best)
    assert text.splitlines()[1] == (
        "# the winner of the confirmation, on its first seed, 2001: no trial of the search has these settings"
    )
    assert yaml.safe_load(text)["confirmed"]["settings"] == {"epsilon": 1.0}
    assert "FGM(epsilon=1.0)" in config(summary)["In your own loop"]
    assert "epsilon: 1.0" in config(summary)["Settings"]


@pytest.mark.parametrize(
    ("winner", "passes"),
    [
        ({"settings": {"epsilon": 1.0}}, 2.0),
        ({"settings": {"epsilon": 1.0, "start_epoch": 1.5}}, 1.25),  # clean for one and a half of two epochs
        ({"settings": {"epsilon": 1.0, "start_epoch": 1}, "recipe": {"epochs": 5}}, 4.5),  # five epochs, the first one clean
    ],
)
def test_the_cost_is_that_of_a_run_with_its_clean_epochs(winner, passes):
    assert confirmed(DEFAULTS | winner).confirmed.passes == passes


@pytest.mark.parametrize(
    ("clean", "values", "seed", "value"),
    [
        ((0.7, 0.71, 0.72), (None, 0.76, 0.77), 2002, 0.76),
        ((None, None, 0.72), (0.75, 0.76, 0.77), 2003, 0.77),
        ((None, 0.71, 0.72), (0.75, None, 0.77), 2003, 0.77),
    ],
)
def test_a_seed_on_which_a_run_failed_is_not_taken(clean, values, seed, value):
    best = best_of(confirmed(clean=clean, values=values))
    assert (best.recipe.seed, best.recorded.value) == (seed, value)


def test_if_no_seed_has_both_runs_the_best_of_the_search_stays():
    summary = confirmed(clean=(None, 0.71, None), values=(0.75, None, 0.77))
    assert winner_alone(summary) is None
    assert best_of(summary).recorded.trial == 1


def test_any_other_winner_is_its_trial_with_the_value_of_the_search():
    best = best_of(confirmed(winner=TRIAL))
    assert (best.recorded.trial, best.recorded.value, best.recipe.seed) == (0, 0.72, 7)
    assert best.confirmed["winner"] == "trial 0"
    assert "no trial of the search" not in as_yaml(best)


def test_without_a_confirmation_it_is_the_best_trial_and_another_can_be_asked_for():
    summary = confirmed(winner=None)
    assert (choice_of(summary).number, chosen(summary).number) == (1, 1)
    assert choice_of(summary, 0).settings == {"epsilon": 0.2}
    other = best_of(confirmed(), 0)
    assert (other.recorded.trial, other.confirmed) == (0, None)


def test_a_loop_of_ones_own_has_the_seed_too():
    summary = confirmed(data={"loop": "my.train"}, recipe={"epochs": 2, "seed": 7, "rate": 0.1})
    best = best_of(summary)
    assert best.recipe == {"epochs": 2, "seed": 2001, "rate": 0.1}
    assert "its first seed, 2001" in as_yaml(best)


@pytest.mark.parametrize(
    ("about", "values", "words"),
    [
        ({}, (0.75, 0.76, 0.77), "the runs kept no predictions"),
        ({}, (0.75, None, 0.77), "a run that failed has no predictions"),
        ({"metric": "robust_accuracy"}, (0.75, 0.76, 0.77), "robust_accuracy is accuracy in another view of them"),
        ({"metric": "noisy_macro_f1"}, (0.75, None, 0.77), "noisy_macro_f1 is macro_f1 in another view of them"),
        ({}, (0.75, 0.76), None),
    ],
)
def test_why_there_is_no_interval_over_rows(about, values, words):
    study = plain_study([(0.8, {"epsilon": 0.5})], SPACE, about={"method": "fgm"}, metric=about.get("metric", "accuracy"))
    made_stage(study, "verdict", [(CLEAN, [0.7, 0.71, 0.72]), (TRIAL, list(values))], cap=3)
    found = summarise(study).confirmed
    said = [line for line in found.lines if line.startswith("no interval over rows")]
    assert said == ([] if words is None else [f"no interval over rows: {without_rows(found)}"])
    assert words is None or said[0].endswith(words)
