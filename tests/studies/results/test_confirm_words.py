import math
from types import SimpleNamespace

import pytest

from studies.results.confirm_words import at_most, interval, score_lines, size_lines

FOUND = SimpleNamespace(shown=lambda value: f"{value:.3f}")


def side(low, high, rows_low=None, rows_high=None):
    """A comparison with these intervals."""
    return SimpleNamespace(low=low, high=high, rows_low=rows_low, rows_high=rows_high)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((-0.02, 0.01), "less than 0.020 either way, if any"),
        ((-0.02, 0.01, -0.03, 0.04), "less than 0.040 either way, if any"),
        ((0.0, 0.0), "no difference on any seed"),
        ((0.0, 0.0, -0.01, 0.005), "less than 0.010 either way, if any"),
        ((None, None), "one seed shows no difference"),
    ],
)
def test_what_was_not_shown_is_bounded_by_the_widest_interval(ends, words):
    assert at_most(FOUND, side(*ends)) == words


def test_an_interval_says_over_what_it_is():
    assert interval(FOUND, side(-0.02, 0.01)) == " (-0.020 to +0.010 over seeds)"
    assert interval(FOUND, side(-0.02, 0.01, -0.03, 0.04)) == " (-0.030 to +0.040 over seeds and rows)"
    assert interval(FOUND, side(None, None)) == ""


@pytest.mark.parametrize(
    ("early", "more"), [(0, []), (3, ["in 3 of the winner's 8 runs the chosen evaluations lie before"])]
)
def test_where_evaluations_are_chosen_the_verdict_says_what_its_values_are(early, more):
    assert score_lines(SimpleNamespace(score="last", early=0, seeds=8)) == []
    first, *others = score_lines(SimpleNamespace(score="best", early=early, seeds=8))
    assert "look better than they are for every arm alike; on the test split nothing is chosen" in first
    assert [line[: len(start)] for line, start in zip(others, more, strict=True)] == more


@pytest.mark.parametrize(("smallest", "said"), [(0.02, 1), (0.0, 0), (math.nan, 0)])
def test_what_could_have_been_shown_is_said_where_the_seeds_differ(smallest, said):
    clean = SimpleNamespace(smallest=smallest, rows_low=0.0)
    found = SimpleNamespace(clean=clean, seeds=8, judgement=SimpleNamespace(e=1.0), passes=2.0, seconds=None, shown=str)
    assert [line.startswith("so many seeds and rows show a difference of") for line in size_lines(found)].count(True) == said
