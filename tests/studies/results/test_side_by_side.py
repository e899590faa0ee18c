"""What the table of several methods says of made-up studies: who leads, who beats the control, what cannot be compared."""

import pytest
from helpers.made_up_studies import CLEAN, made

from finetune.folds import Folds
from studies.planning.identity import BASELINE, FOLDS, KEY
from studies.report.several import cells, finding
from studies.results.several import gathered
from studies.results.summary import summarise

LUCK = "One seed, and the best trial of each method: a part of every gain is luck, small differences are noise."
BEATEN = "Not better than the best trial of their control, a random direction: "


def study_of(states, gain=0.03, clean=None, **options):
    """A summary of a study whose best trial gains about so much."""
    study = made(states, {} if gain is None else None, gain=gain or 0.0, **options)
    if clean is not None:
        epochs = study.user_attrs[BASELINE]
        epochs[-1]["metrics"]["accuracy"] = clean
        study.set_user_attr(BASELINE, epochs)
    return summarise(study)


@pytest.mark.parametrize(
    ("mine", "control", "beaten"),
    [
        pytest.param(0.05, 0.02, False, id="better"),
        pytest.param(0.02, 0.05, True, id="worse"),
        pytest.param(0.03, 0.03, True, id="equal"),
        pytest.param(-0.1, -0.2, False, id="both worse than clean"),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_who_does_not_beat_the_control_is_named(mine, control, beaten, maximize):
    both = {"awp": study_of("CCC", mine, maximize=maximize), "random_weights": study_of("CCC", control, maximize=maximize)}
    found = gathered(both)
    assert found.remarks == [LUCK, f"{BEATEN}awp."] if beaten else [LUCK]
    gap = {row.method: row.beside for row in found.rows}
    assert gap["awp"] == pytest.approx(mine - control, abs=1e-4)
    assert gap["random_weights"] is None


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("states", ["FF", "PP", ""])
def test_a_method_without_a_complete_trial_stands_last_and_is_not_compared(states, maximize):
    both = {"random_weights": study_of(states, maximize=maximize), "awp": study_of("CC", -0.1, maximize=maximize)}
    found = gathered(both)
    assert [row.method for row in found.rows] == ["awp", "random_weights"]
    assert found.remarks == [LUCK]
    last = cells(found)[1][-1]
    assert (last[0], last[1], last[2]) == ("random_weights", "-", "-")
    assert found.rows[1].passes is found.rows[1].seconds is None


@pytest.mark.parametrize("maximize", [True, False])
def test_the_better_value_leads(maximize):
    both = {"awp": study_of("CC", 0.01, maximize=maximize), "random_weights": study_of("CC", 0.06, maximize=maximize)}
    found = gathered(both)
    assert [row.method for row in found.rows] == ["random_weights", "awp"]
    values = [found.rows[0].value, found.rows[1].value, CLEAN]
    assert values == sorted(values, reverse=maximize)


def test_clean_training_that_is_not_the_same_is_said():
    found = gathered({"awp": study_of("CC", name="a"), "random_weights": study_of("CC", name="b", clean=0.75)})
    assert "Clean training differs between the studies (" in found.remarks[-1]
    assert "0.8125 in a" in found.remarks[-1]
    assert "0.7500 in b" in found.remarks[-1]


def test_trials_of_several_seeds_are_not_called_one():
    study = made("CC")
    study.set_user_attr(KEY, study.user_attrs[KEY] | {FOLDS: Folds(seeds=3).model_dump(mode="json")})
    found = gathered({"awp": summarise(study)})
    assert found.remarks[0] == LUCK.replace("One seed", "3 seeds")
    assert finding(found).endswith(", on 3 seeds.")


def test_cost_is_measured_and_counted():
    found = gathered({"awp": study_of("CCC"), "random_weights": study_of("C")})
    awp, noise = sorted(found.rows, key=lambda row: row.method)
    assert (awp.passes, noise.passes) == (2.0, 4 / 3)  # two passes there and back; one, and one forward
    assert awp.seconds == pytest.approx(3.1)  # 3.0, 3.1 and 3.2
    assert found.seconds == 4 * 1.5
