"""Intervals and probabilities against formulas written out, other libraries, and simulated truths."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from studies.results.intervals import (
    bca,
    mean,
    p_better,
    probabilities,
    sd,
    seeds_and_rows,
    smallest_shown,
)
from studies.results.signs import p_value

SOME = [0.3, 0.1, 0.2, -0.1, 0.4, 0.0, 0.2, 0.1]


def accuracy(labels, output):
    return float((labels == output).mean())


def test_mean_and_sd_are_those_of_the_standard_library():
    assert mean(SOME) == pytest.approx(statistics.mean(SOME))
    assert sd(SOME) == pytest.approx(statistics.stdev(SOME))
    assert math.isnan(mean([]))
    assert math.isnan(sd([0.5]))


def by_hand(differences, level):
    """Efron's BCa, from bootstrap means of its own."""
    data, rng = np.array(differences), np.random.default_rng(1)
    drawn = np.sort(rng.choice(data, (40_000, len(data))).mean(axis=1))
    normal = statistics.NormalDist()
    z0 = normal.inv_cdf(((drawn < data.mean()).mean() + (drawn <= data.mean()).mean()) / 2)
    left_out = np.array([np.delete(data, i).mean() for i in range(len(data))])
    gap = left_out.mean() - left_out
    a = (gap**3).sum() / (6 * (gap**2).sum() ** 1.5)
    for share in ((1 - level) / 2, (1 + level) / 2):
        z = z0 + normal.inv_cdf(share)
        yield np.quantile(drawn, normal.cdf(z0 + z / (1 - a * z)))


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("differences", [SOME, [0.0, 0.1, 0.1, 0.2, 2.0, 0.3, 0.1, 0.2, 0.1, 0.4]])
def test_bca_is_its_formula(differences, level):
    spread = max(differences) - min(differences)
    assert bca(differences, level) == pytest.approx(tuple(by_hand(differences, level)), abs=0.02 * spread)


@pytest.mark.parametrize(
    ("differences", "interval"),
    [
        ([], None),
        ([0.5], None),
        ([0.25, 0.25], (0.25, 0.25)),
        ([0.0] * 30, (0.0, 0.0)),
        ([0.01] * 30, (0.01, 0.01)),
        ([math.inf, math.inf], (1.0, 1.0)),
    ],
)
def test_without_spread_an_interval_is_its_number_or_nothing(differences, interval):
    assert bca(differences) == interval


@pytest.mark.parametrize(
    "differences",
    [[0.0] * 29 + [0.1], [0.0, 1.0], [1.0, -1.0] * 4, [0.1] * 7 + [-math.inf], [1e-12, 2e-12, 0.0], [1e9, 1.1e9, 0.9e9]],
)
def test_an_interval_is_finite_and_around_the_mean(differences):
    low, high = bca(differences)
    assert low <= mean(differences) <= high
    assert bca(differences) == (low, high)


def predicted(rng, seeds, rows, right):
    """Predictions of 0 or 1 where 1 is right; whether a row is easy is shared by all seeds."""
    easy = rng.random(rows) < 0.5
    return [np.where(rng.random(rows) < np.where(easy, 1.0, right), 1, 0) for _ in range(seeds)]


def test_seeds_and_rows_cover_the_truth_about_as_often_as_they_say():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(40):
        ours, theirs = predicted(rng, 8, 60, 0.5), predicted(rng, 8, 60, 0.5)
        found = seeds_and_rows(ours, theirs, np.ones(60), accuracy)
        covered += found.low <= 0.0 <= found.high
    # Both arms draw their easy rows anew: the rows are the larger part, which an interval over seeds alone does not see.
    assert covered >= 34


def test_what_differs_by_seed_and_row_counts_once():
    rng, widths = np.random.default_rng(1), []
    for _ in range(6):
        ours, theirs = rng.integers(0, 2, (2, 8, 60))
        found = seeds_and_rows(ours, theirs, np.ones(60), accuracy)
        widths.append(found.high - found.low)
    # 480 independent coins on each side; counted three times, as drawn, it would be 1.7 times as wide.
    assert np.mean(widths) == pytest.approx(2 * 1.96 * math.sqrt(2 * 0.25 / 480), rel=0.25)


def test_rows_widen_an_interval_that_seeds_alone_do_not_show():
    rng = np.random.default_rng(0)
    one, other = (rng.random(40) < 0.6).astype(int), (rng.random(40) < 0.5).astype(int)
    found = seeds_and_rows([one] * 6, [other] * 6, np.ones(40), accuracy)
    gaps = one - other
    assert bca([accuracy(np.ones(40), one) - accuracy(np.ones(40), other)] * 6) == pytest.approx((gaps.mean(), gaps.mean()))
    # All seeds agree, so what is left is the standard error of 40 rows.
    assert found.rows == pytest.approx(gaps.std() / math.sqrt(40), rel=0.15)
    assert found.high - found.low == pytest.approx(2 * 1.96 * gaps.std() / math.sqrt(40), rel=0.2)


def test_where_rows_say_nothing_the_interval_is_that_of_the_seeds():
    ours = [np.full(30, value) for value in SOME]
    found = seeds_and_rows(ours, [np.zeros(30)] * 8, np.zeros(30), lambda labels, output: output.mean())
    assert found.rows == pytest.approx(0.0, abs=1e-12)
    error = statistics.pstdev(SOME) / math.sqrt(8)
    assert (found.low, found.high) == pytest.approx((mean(SOME) - 1.96 * error, mean(SOME) + 1.96 * error), abs=0.01)


def test_errors_are_turned_and_equal_predictions_have_no_spread():
    labels, near, far = np.zeros(20), [np.full(20, 0.1)] * 3, [np.full(20, 0.4)] * 3
    error = lambda labels, output: np.abs(labels - output).mean()  # noqa: E731
    found = seeds_and_rows(near, far, labels, error, maximize=False)
    assert (found.low, found.high, found.rows) == pytest.approx((0.3, 0.3, 0.0), abs=1e-9)


@pytest.mark.parametrize(("seeds", "rows"), [(0, 5), (1, 5), (5, 1), (5, 0)])
def test_too_few_seeds_or_rows_have_no_interval(seeds, rows):
    assert seeds_and_rows([np.zeros(rows)] * seeds, [np.zeros(rows)] * seeds, np.zeros(rows), accuracy) is None


def test_a_metric_that_does_not_exist_for_most_drawings_gives_none():
    def fails(labels, output):
        raise ValueError("one class")

    assert seeds_and_rows([np.zeros(9)] * 3, [np.zeros(9)] * 3, np.zeros(9), fails) is None


@pytest.mark.parametrize(
    ("differences", "share"),
    [([0.1, 0.2], 1.0), ([0.0, 0.0], 0.5), ([-0.1], 0.0), ([0.1, 0.0, -0.1, 0.1], 0.625), ([math.inf, -math.inf], 0.5)],
)
def test_p_better_counts_seeds_and_halves_ties(differences, share):
    assert p_better(differences) == share


def test_without_seeds_nothing_is_better():
    assert math.isnan(p_better([]))


@pytest.mark.parametrize(("seeds", "alpha"), [(8, 0.05), (12, 0.0343), (16, 0.017), (30, 0.0173), (30, 0.00865)])
def test_the_smallest_difference_is_found_in_eighty_of_a_hundred(seeds, alpha):
    rng = np.random.default_rng(seeds)
    noise = rng.normal(size=(150, seeds))
    unit = stats.zscore(rng.normal(size=seeds), ddof=1)
    size = smallest_shown(unit.tolist(), alpha)
    found = np.mean([p_value(row + size) <= alpha for row in noise])
    assert 0.68 < found < 0.92


@pytest.mark.parametrize(
    ("differences", "alpha", "smallest"),
    [
        ([], 0.05, math.inf),
        ([0.1], 0.05, math.inf),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 0.05, math.inf),  # five seeds: p is never below 1/16
        ([0.1, -0.1] * 3, 0.0157, math.inf),  # six: never below 1/32
        ([0.2] * 8, 0.05, 0.0),
        ([0.0] * 30, 0.0173, 0.0),
    ],
)
def test_so_few_seeds_show_nothing_and_equal_ones_everything(differences, alpha, smallest):
    assert smallest_shown(differences, alpha) == smallest


def test_rows_make_the_smallest_difference_larger():
    alone = smallest_shown(SOME * 2, 0.017)
    error = sd(SOME * 2) / 4
    assert smallest_shown(SOME * 2, 0.017, rows=error) == pytest.approx(alone * math.sqrt(2))


def test_three_probabilities_are_those_of_the_t_posterior():
    middle, error = statistics.mean(SOME), statistics.stdev(SOME) / math.sqrt(8)
    drawn = middle + error * np.random.default_rng(0).standard_t(7, 200_000)
    expected = ((drawn < -0.1).mean(), (np.abs(drawn) <= 0.1).mean(), (drawn > 0.1).mean())
    assert probabilities(SOME, 0.1) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("differences", "smallest", "expected"),
    [
        ([0.5, 0.5], 0.3, (0.0, 0.0, 1.0)),
        ([-0.5, -0.5], 0.3, (1.0, 0.0, 0.0)),
        ([0.3, 0.3], 0.3, (0.0, 1.0, 0.0)),
        ([0.0] * 30, 1e-9, (0.0, 1.0, 0.0)),
        ([0.5], 0.3, None),
        ([], 0.3, None),
    ],
)
def test_equal_differences_leave_no_doubt(differences, smallest, expected):
    assert probabilities(differences, smallest) == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9), st.floats(0.001, 1))
def test_probabilities_add_up_and_turn_with_the_differences(differences, smallest):
    found = probabilities(differences, smallest)
    assert sum(found) == pytest.approx(1)
    assert min(found) >= 0
    turned = probabilities([-d for d in differences], smallest)
    assert turned == pytest.approx(found[::-1], abs=1e-9)
