"""Tests on signs against all signs written out, and what holds for every kind of differences."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.results.signs import e_value, e_values, futile, p_value, paired, peak

some = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


def every_sign(differences):
    """The share of all 2**n signs whose sum is at least as far from zero."""
    flips = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
             for signs in itertools.product((1, -1), repeat=len(differences))]  # fmt: skip
    return sum(one >= abs(sum(differences)) for one in flips) / len(flips)


@settings(max_examples=40, deadline=None)
@given(some)
def test_the_p_value_is_the_share_of_all_signs(differences):
    assert p_value(differences) == every_sign(differences)


@settings(max_examples=25, deadline=None)
@given(some, st.sampled_from([0.01, 1 / 131, 0.1, 3.7, 1e-9, 1e9]))
def test_steps_of_an_accuracy_are_ties_whatever_the_rounding(differences, step):
    rows = [d * step for d in differences]
    assert p_value(rows) == p_value(list(reversed(rows))) == every_sign(differences)


@settings(max_examples=25, deadline=None)
@given(some)
def test_zeros_and_the_other_direction_change_no_p_value(differences):
    other = [-d for d in differences]
    assert p_value(differences) == p_value(other) == p_value([0.0, *differences, 0.0])


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1.0),
        ([0.3], 1.0),
        ([0.0] * 8, 1.0),
        ([0.02] * 8, 2 / 2**8),
        ([0.01] * 30, 2 / 2**30),
        ([-0.1] * 40, 2 / 2**40),
        ([1.0, -1.0] * 15, 1.0),
        ([0.1] * 29 + [-0.1], 2 * 31 / 2**30),
        ([1e-320] * 6, 2 / 2**6),
        ([math.inf] * 6, 2 / 2**6),
        ([1.0] * 5 + [-math.inf], 2 * 7 / 2**6),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 10.0], 2 / 2**7),
        ([1.0] * 41, 1 / 100_000),
    ],
)
def test_p_values_known_by_hand(differences, p):
    assert p_value(differences) == pytest.approx(p, rel=1e-12)


def test_drawn_flips_are_near_the_exact_p_value_and_always_the_same():
    rng = np.random.default_rng(3)
    differences = rng.normal(0.25, 1, 50)
    drawn = p_value(differences)
    assert drawn == p_value(differences)
    normal = math.erfc(differences.sum() / math.sqrt(2 * (differences**2).sum()))
    assert drawn == pytest.approx(normal, rel=0.2)


@pytest.mark.parametrize("differences", [[math.nan], [0.1, 0.2, math.nan]])
@pytest.mark.parametrize("test", [p_value, e_values, peak])
def test_nan_is_refused_with_its_place(test, differences):
    with pytest.raises(ValueError, match=f"difference {len(differences)} is nan"):
        test(differences)


def written_out(differences):
    """E_n of the docstring, term by term."""
    es = []
    for bet in (0.5, -0.5, 1.0, -1.0, 2.0, -2.0):
        product = 1.0
        for i in range(1, len(differences) + 1):
            rms = math.sqrt(sum(d * d for d in differences[:i]) / i)
            u = differences[i - 1] / rms if rms else 0.0
            product *= math.exp(bet * u) / math.cosh(bet * u)
        es.append(product)
    return sum(es) / len(es)


@settings(max_examples=25, deadline=None)
@given(some, st.sampled_from([1.0, 0.004, 1e-200, 1e150]))
def test_the_e_value_is_its_formula(differences, unit):
    values = e_values([d * unit for d in differences])
    assert values == pytest.approx([written_out(differences[:n]) for n in range(1, len(differences) + 1)])
    assert e_value([d * unit for d in differences]) == values[-1]
    assert peak([d * unit for d in differences]) == max(1.0, *values)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 3), st.just(math.inf)), min_size=1, max_size=7))
def test_over_all_signs_the_e_value_has_mean_one(sizes):
    """Also with runs that failed: whoever bets on coins gains nothing."""
    signed = itertools.product(*[(size, -size) for size in sizes])
    assert np.mean([e_value(list(one)) for one in signed]) == pytest.approx(1.0)


@pytest.mark.parametrize("differences", [[], [0.0], [0.0] * 30])
def test_nothing_seen_is_no_evidence(differences):
    assert e_value(differences) == peak(differences) == 1.0


def test_thousands_of_seeds_overflow_nothing():
    with np.errstate(over="raise", invalid="raise"):
        assert 1e300 < e_value([0.1] * 3000) < math.inf


@pytest.mark.parametrize(
    ("differences", "stop"),
    [
        ([0.1, -0.1] * 3 + [0.1], False),  # 7 seeds
        ([0.1, -0.1] * 4, True),
        ([0.0] * 8, True),
        ([0.0] * 7, False),
        ([0.1] * 8, False),
        ([-0.1] * 30, False),
        ([1.0] * 6 + [-1.0] * 2, False),
        # mean 0.1 sd from eight seeds: 0.1 + 1.415 / sqrt(8) = 0.6002
        ([x + 0.1 * math.sqrt(8 / 7) for x in [1.0, -1.0] * 4], False),
        ([x + 0.099 * math.sqrt(8 / 7) for x in [1.0, -1.0] * 4], True),
    ],
)
def test_futile_is_a_mean_whose_limit_is_below_six_tenths_of_an_sd(differences, stop):
    assert futile(differences) is stop
    assert futile([-d for d in differences]) is stop


@pytest.mark.parametrize(
    ("ours", "theirs", "maximize", "expected"),
    [
        ([0.75, 0.5], [0.5, 0.75], True, [0.25, -0.25]),
        ([0.75, 0.5], [0.5, 0.75], False, [-0.25, 0.25]),
        ([None, 0.5, math.nan], [0.5, None, None], True, [-math.inf, math.inf, 0.0]),
        ([None, 0.5], [0.5, math.nan], False, [-math.inf, math.inf]),
        ([0.5, 0.5, 0.5], [0.5], True, [0.0]),
        ([], [0.5], True, []),
    ],
)
def test_pairs_are_the_larger_the_better_and_a_failed_run_is_the_worst(ours, theirs, maximize, expected):
    assert paired(ours, theirs, maximize) == expected
