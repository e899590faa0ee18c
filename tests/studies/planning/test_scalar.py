"""Values as they are typed on a command line."""

import math

import pytest

from studies.planning.scalar import scalar


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("007", 7),
        ("1e-3", 0.001),
        ("3.0", 3.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", ""),
        ("2:5", "2:5"),
        ("[0-9]", "[0-9]"),
        ("yes", "yes"),
        ("--3", "--3"),
        ("0x10", "0x10"),
        (5, 5),
        (False, False),
    ],
)
def test_numbers_truths_and_nothing_are_read_and_all_else_is_text(typed, value):
    assert (scalar(typed), type(scalar(typed))) == (value, type(value))


def test_what_is_no_finite_number_is_left_to_be_refused_as_one():
    assert math.isnan(scalar("nan"))
    assert scalar("-inf") == -math.inf
