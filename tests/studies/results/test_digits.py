"""Values at the digits that are printed: what is equal there is equal, and a constant guess is not beaten by rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.arguments import as_options
from studies.results.digits import gained, judged, nothing_learned, places_of, shown


@pytest.mark.parametrize(
    ("maximize", "reference", "places"),
    [
        (True, 0.5, 4),
        (True, 0.001, 4),
        (True, 0.0, 4),
        (False, 0.2654, 4),
        (False, 1234.5, 4),
        (False, 0.1, 4),
        (False, 0.0999, 5),
        (False, 0.01, 5),
        (False, 3.21e-5, 8),
        (False, 1e-12, 15),
        (False, 0.0, 4),
        (False, float("inf"), 4),
        (False, float("nan"), 4),
    ],
)
def test_four_decimals_and_four_significant_digits_of_small_errors(maximize, reference, places):
    assert places_of(maximize, reference) == places


def test_a_small_error_keeps_its_digits():
    assert shown(3.2149e-5, places_of(False, 3.5e-5)) == "0.00003215"


@pytest.mark.parametrize("value", [-0.0, -1e-9, -0.00004, 0.00004])
def test_zero_has_no_sign(value):
    assert shown(value) == "0.0000"


@pytest.mark.parametrize(
    ("value", "other", "maximize", "words"),
    [
        (0.8, 0.75, True, "+0.0500 (better)"),
        (0.75, 0.8, True, "-0.0500 (worse)"),
        (0.75, 0.8, False, "+0.0500 (better)"),
        (0.8, 0.8, True, "0.0000 (equal)"),
        (0.8, 0.8, False, "0.0000 (equal)"),
        (0.80001, 0.79999, True, "0.0000 (equal)"),
        (0.79999, 0.80001, True, "0.0000 (equal)"),
        (0.80001, 0.79999, False, "0.0000 (equal)"),
        (0.80006, 0.80004, True, "+0.0001 (better)"),
        (-0.00001, 0.00001, True, "0.0000 (equal)"),
    ],
)
def test_a_difference_is_that_of_the_printed_values(value, other, maximize, words):
    assert judged(gained(value, other, 4, maximize), 4) == words


@given(st.floats(-2, 2), st.floats(-2, 2), st.booleans(), st.integers(4, 9))
def test_the_word_is_what_a_reader_of_the_printed_values_would_say(value, other, maximize, places):
    one, two = float(shown(value, places)), float(shown(other, places))
    word = "equal" if one == two else "better" if (one > two) == maximize else "worse"
    text = judged(gained(value, other, places, maximize), places)
    assert text.endswith(f"({word})")
    assert float(text.split()[0]) == pytest.approx((one - two) * (1 if maximize else -1), abs=10.0**-places / 4)
    assert "-0." + "0" * places not in text


@pytest.mark.parametrize(
    ("value", "constant", "maximize", "how"),
    [
        (0.2654, 0.2644, False, "worse than"),
        (0.2644, 0.2644, False, "no better than"),
        (0.26436, 0.26444, False, "no better than"),
        (0.53, 0.53, True, "no better than"),
        (0.0, 0.0, True, "no better than"),
        (-0.1, 0.0, True, "worse than"),
        (0.2643, 0.2644, False, None),
        (0.54, 0.53, True, None),
    ],
)
def test_clean_training_that_does_not_beat_a_constant_has_learned_nothing(value, constant, maximize, how):
    line = nothing_learned("clean training", "metric", value, constant, 4, maximize)
    if how is None:
        assert line is None
    else:
        assert line.startswith(f"clean training learned nothing: metric {shown(value)} is {how} the constant guess's")
        assert all(word in as_options(line) for word in ("--epochs", "--learning-rate", "--text-column", "--label-column"))


def test_an_unknown_constant_says_nothing():
    assert nothing_learned("clean training", "metric", 0.1, None, 4, True) is None
