import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from studies.results.selection import Selection, share
from studies.results.terms import cosines

TRUTHS = {
    "cliff": lambda u: -8 * (u[:, 0] > 0.7),
    "both large": lambda u: -8.0 * ((u[:, 0] > 0.6) & (u[:, 1] > 0.6)),
    "the smaller": lambda u: 5 * np.exp(-(((u[:, :2].min(1) - 0.6) / 0.2) ** 2)),
    "each by itself": lambda u: 4 * u[:, 0] + 4 * np.sin(3 * u[:, 1]),
    "nothing": lambda u: 0 * u[:, 0],
}


def selected(truth, seed=0, points=64, settings=3, level=0.02, weights=None, copies=None):
    rng = np.random.default_rng(seed)
    places = qmc.Sobol(settings, rng=seed).random(points)
    values = TRUTHS[truth](places) + rng.normal(size=points)
    return Selection([cosines(column, 8) for column in places.T], values, level, weights, copies)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ("cliff", {(0,)}),
        ("both large", {(0, 1)}),
        ("the smaller", {(0, 1)}),
        ("each by itself", {(0,), (1,)}),
        ("nothing", set()),
    ],
)
def test_what_matters_is_found_and_nothing_else(truth, expected, seed):
    found = selected(truth, seed)
    assert {candidate.term for candidate in found.found} == expected
    rows = {row.term: row for row in found.rows()}
    assert {(0,), (1,), (2,)} <= set(rows)
    for row in rows.values():
        assert row.found == (row.share > row.floor)
        assert 0 <= row.low <= row.share <= row.high <= 1


def test_any_finding_in_noise_has_the_stated_probability():
    count = sum(bool(selected("nothing", seed, 32, level=0.2, copies=60).found) for seed in range(60))
    assert 4 <= count <= 22  # of 60 at 0.2: outside in 1 of 500 runs


def test_two_settings_that_are_only_seen_together_are_both_found():
    rng = np.random.default_rng(5)
    places = qmc.Sobol(2, rng=5).random(16)
    values = 1.5 * places[:, 0] + 1.5 * places[:, 1] + 0.5 * rng.normal(size=16)
    found = Selection([cosines(column, 8) for column in places.T], values, 0.02)
    single = max(candidate.gain for candidate in found.first if len(candidate.new) == 1)
    assert single <= found.first[0].floor < max(candidate.gain for candidate in found.first if candidate.apart)
    assert {candidate.term for candidate in found.found} == {(0,), (1,)}


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_units_do_not_matter(shift, scale):
    rng = np.random.default_rng(0)
    parts, values = [cosines(rng.random(12), 8) for _ in range(2)], rng.normal(size=12)
    one, other = (Selection(parts, v, 0.05, copies=20).rows() for v in (values, shift + scale * values))
    assert [row.term for row in one] == [row.term for row in other]
    assert [row.share for row in one] == pytest.approx([row.share for row in other], abs=1e-6)


def test_points_that_count_less_change_less():
    rng = np.random.default_rng(1)
    places = rng.random((80, 2))
    values = np.where(np.arange(80) < 40, -8.0 * (places[:, 0] > 0.7), 8.0 * (places[:, 1] > 0.5)) + rng.normal(size=80)
    parts = [cosines(column, 8) for column in places.T]
    weights = np.where(np.arange(80) < 40, 1.0, 0.02)
    first = Selection(parts, values, 0.02, weights).found
    assert [candidate.term for candidate in first] == [(0,)]
    assert (0,) not in {c.term for c in Selection(parts, values, 0.02, weights[::-1]).found[:1]}


def test_one_setting_and_values_in_two_kinds_can_be_asked():
    rng = np.random.default_rng(0)
    place = rng.random(40)
    [row] = Selection([cosines(place, 8)], (place > 0.8).astype(float), 0.02).rows()
    assert row.found
    assert row.share > 0.5


def test_a_share_is_that_of_cox_and_snell():
    assert share(0.0, 30) == share(-5.0, 30) == 0
    assert share(15 * np.log(2), 30) == pytest.approx(0.5)
