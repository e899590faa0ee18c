"""The front of two metrics: made-up studies whose fronts are written out by hand."""

import math

import pytest
import yaml
from helpers.made_up_studies import summary as one_metric
from helpers.two_metrics import two_study

from finetune.errors import UserError
from studies.result import Result
from studies.results.export import as_yaml, best_of
from studies.results.front import front_lines, front_of, front_rows
from studies.results.listing import listed
from studies.results.second import undominated
from studies.results.summary import CONSTANT, summarise
from studies.results.trials import to_frame

UP_DOWN = (True, False)


@pytest.mark.parametrize(
    ("values", "maximize", "front"),
    [
        ([], UP_DOWN, []),
        ([(0.8, 5)], UP_DOWN, [0]),
        ([(0.8, 5), (0.9, 7), (0.85, 8)], UP_DOWN, [1, 0]),  # the third is dominated by the second
        ([(0.8, 5), (0.8, 6), (0.8, 4)], UP_DOWN, [2]),  # ties in the first
        ([(0.8, 5), (0.9, 5), (0.7, 5)], UP_DOWN, [1]),  # ties in the second
        ([(0.8, 5), (0.9, 7), (0.8, 5), (0.9, 7)], UP_DOWN, [1, 3, 0, 2]),  # equal ones all stay
        ([(0.8, 5), (0.8, 5), (0.9, 4), (0.7, 9)], UP_DOWN, [2]),  # equal ones that are dominated all go
        ([(0.8, 5), (0.9, 7), (0.85, 8)], (True, True), [1, 2]),
        ([(0.8, 5), (0.9, 7), (0.7, 4)], (False, False), [2]),
        ([(0.8, 5), (0.9, 7), (0.7, 4)], (False, True), [2, 0, 1]),
        ([(-1.0, 0.0), (0.0, -1.0), (-0.5, -0.5), (-0.6, -0.6)], (True, True), [1, 2, 0]),
        ([(0.0, 1.0), (-0.0, 1.0)], UP_DOWN, [0, 1]),
    ],
)
def test_no_other_beats_a_trial_of_the_front(values, maximize, front):
    assert undominated(dict(enumerate(values)), maximize) == front


def test_a_front_beside_clean_training():
    """Trial 4 failed; 3 is dominated by 1, and 2 by clean training alone, which is no trial."""
    found = summarise(two_study([(0.82, 9.0), (0.81, 7.0), (0.79, 6.5), (0.80, 7.5), None, (0.70, 5.0)]))
    assert [(t.number, t.values, t.better) for t in front_of(found)] == [
        (0, (0.82, 9.0), ("accuracy",)),
        (1, (0.81, 7.0), ("accuracy",)),
        (2, (0.79, 6.5), ()),
        (5, (0.70, 5.0), ("seconds",)),
    ]
    assert [row[:4] for row in front_rows(found)] == [
        ("trial 0", "0.8200", "9.00", "better in accuracy"),
        ("trial 1", "0.8100", "7.00", "better in accuracy"),
        ("trial 2", "0.7900", "6.50", "better in neither"),
        ("trial 5", "0.7000", "5.00", "better in seconds"),
        ("clean training", "0.8000", "6.00", ""),
    ]
    assert found.best.number == 0
    assert found.gain == 0.02
    lines = front_lines(found)
    assert lines[0] == "no trial is better than clean training in both metrics"
    assert lines[1].startswith("one seed:")
    assert "seconds are those of this machine" in lines[1]
    assert lines[2].startswith("trial 0, the best of the front in accuracy, is in best.yaml")


def test_trials_better_in_both_are_named():
    both = {"metrics": ("accuracy", "robust_accuracy"), "directions": ("maximize", "maximize"), "clean": (0.8, 0.6)}
    found = summarise(two_study([(0.85, 0.61), (0.82, 0.7), (0.9, 0.6), (0.79, 0.75)], **both))
    assert [(t.number, len(t.better)) for t in front_of(found)] == [(2, 1), (0, 2), (1, 2), (3, 1)]
    lines = front_lines(found)
    assert lines[0] == "trial 0 and trial 1 are better than clean training in both metrics"
    assert "machine" not in lines[1]


def test_where_clean_training_is_better_it_is_said():
    assert front_lines(summarise(two_study([(0.8, 6.5), (0.79, 6.0)])))[0] == (
        "clean training is as good or better in both metrics than every trial"
    )


def test_errors_are_minimised_in_both():
    both = {"metrics": ("rmse", "noisy_rmse"), "directions": ("minimize", "minimize"), "clean": (0.5, 0.7)}
    found = summarise(two_study([(0.45, 0.8), (0.6, 0.65), (0.6, 0.66), (0.4, 0.81)], **both))
    assert [trial.number for trial in found.front] == [3, 0, 1]
    assert found.best.number == 3


def test_values_that_print_alike_are_equal():
    """0.81001 and 0.81004 are one value: the quicker trial is the best, and alone on the front."""
    found = summarise(two_study([(0.81004, 9.0), (0.81001, 7.0), (0.8, 7.001)]))
    assert [trial.number for trial in found.front] == [1]
    assert found.best.number == 1


@pytest.mark.parametrize("odd", [(math.inf, 1.0), (0.99, -math.inf)])
def test_a_value_that_is_no_number_is_not_on_the_front(odd):
    found = summarise(two_study([(0.81, 7.0), odd, None]))
    assert [trial.number for trial in found.front] == [0]
    assert found.best.number == 0


def test_what_only_guesses_is_not_on_the_front():
    """A model that answers the same to every text withstands any attack: 1 and 3 are constant, 4 is beaten by 0."""
    both = {"metrics": ("accuracy", "robust_accuracy"), "directions": ("maximize", "maximize"), "clean": (0.8, 0.4)}
    rows = [(0.82, 0.5), (0.53, 0.53), (0.78, 0.52), (0.5, 0.54), (0.5, 0.1)]
    study = two_study(rows, attrs={CONSTANT: {"accuracy": 0.53, "robust_accuracy": 0.53}}, **both)
    found = summarise(study)
    assert [trial.number for trial in found.front] == [0, 2]
    assert front_lines(found)[2] == (
        "the front is without trial 1 and trial 3: they are no better than the constant guess (accuracy 0.5300)"
    )
    only = summarise(two_study([(0.5, 0.54)], attrs={CONSTANT: {"accuracy": 0.53}}, **both))
    assert [trial.number for trial in only.front] == [0]


def test_nothing_complete_is_no_front():
    found = summarise(two_study([None, None]))
    assert (found.front, found.best, front_of(found), front_lines(found)) == ((), None, [], [])
    assert front_rows(found) == [("clean training", "0.8000", "6.00", "", None)]


def test_what_the_search_did_not_measure_is_not_on_the_front():
    study = two_study([(0.81, 7.0)])
    strange = two_study([(0.81, 7.0), (0.99, 1.0)]).trials[1]
    strange.user_attrs = {}
    study.add_trial(strange)
    found = summarise(study)
    assert [trial.number for trial in found.front] == [0]
    assert "not measured" in found.notes[1]


def test_all_else_reads_the_first_metric():
    found = summarise(two_study([(0.82, 9.0), (0.81, 7.0), None]))
    assert [trial.value for trial in found.trials] == [0.82, 0.81, None]
    assert found.trials[0].intermediate_values == pytest.approx({0: 0.76, 1: 0.78, 2: 0.8, 3: 0.82})
    frame = to_frame(found)
    assert list(frame["value"])[:2] == [0.82, 0.81]
    assert list(frame["second value"])[:2] == [9.0, 7.0]
    assert list(frame["front"]) == [True, True, False]


def test_a_study_with_one_metric_has_no_front():
    found = one_metric("CC")
    assert (found.second, found.front, front_of(found), front_rows(found), front_lines(found)) == (None, (), [], [], [])
    assert "front" not in to_frame(found)
    assert "front" not in yaml.safe_load(as_yaml(best_of(found)))


def test_any_trial_of_the_front_is_exported():
    study = two_study([(0.82, 9.0), (0.81, 7.0), None])
    result = Result(study, "", None)
    text = result.export()
    assert text.splitlines()[:3] == [
        "# two: accuracy 0.82, clean 0.8",
        "# seconds 9, clean 6; this is trial 0",
        "# the front of accuracy and seconds: trials 0, 1; another of them: search.py export --study two --trial N",
    ]
    other = yaml.safe_load(result.export(trial=1))
    assert (other["recorded"]["trial"], other["recorded"]["value"]) == (1, 0.81)
    assert other["front"] == {"metric": "seconds", "value": 7.0, "clean": 6.0, "trials": [0, 1]}
    for number, why in ((2, "it failed"), (3, "no finished trial 3; finished are 0 to 2"), (-1, "no finished trial -1")):
        with pytest.raises(UserError, match=why):
            result.export(trial=number)


def test_the_list_of_studies_has_both_values(tmp_path):
    row = listed(two_study([(0.82, 9.0), (0.81, 7.0)]), str(tmp_path))
    assert (row.metric, row.best, row.clean) == ("accuracy, seconds", "0.8200, 9.00", "0.8000, 6.00")
