import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import multivariate_normal

from studies.results.terms import NOISE, columns, contrasts, cosines, design, evidence, fitted

GRID = (np.arange(4000) + 0.5) / 4000
SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "share": FloatDistribution(-1.0, 3.0),
    "K": IntDistribution(2, 5),
    "steps": IntDistribution(1, 1000, log=True),
    "word": CategoricalDistribution(["a", "b", None]),
}


def data(points=20, settings=2, seed=0):
    rng = np.random.default_rng(seed)
    parts = [cosines(rng.random(points), 8) for _ in range(settings)]
    values = rng.normal(size=points)
    return parts, (values - values.mean()) / values.std()


def test_cosines_are_orthogonal_with_mean_zero_and_share_a_variance_of_one():
    found = cosines(GRID, 8)
    gram = found.T @ found / len(GRID)
    assert np.abs(found.mean(0)).max() < 1e-12
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-12
    assert np.trace(gram) == pytest.approx(1)
    assert (np.diff(np.diag(gram)) < 0).all()


@pytest.mark.parametrize("levels", [2, 3, 8])
def test_a_few_whole_numbers_are_told_apart_completely(levels):
    space = {"K": IntDistribution(3, 2 + levels)}
    [found] = columns([{"K": 3 + level} for level in range(levels)], space, ["K"])
    assert found.shape == (levels, levels - 1)
    assert np.abs(found.mean(0)).max() < 1e-12
    assert np.linalg.matrix_rank(found) == levels - 1


@pytest.mark.parametrize("count", [2, 5])
def test_contrasts_treat_choices_alike(count):
    found = contrasts(np.arange(count), count)
    assert np.abs(found.sum(0)).max() < 1e-12
    assert (found**2).sum(1) == pytest.approx(np.ones(count))
    apart = found @ found.T
    assert apart[~np.eye(count, dtype=bool)] == pytest.approx(np.full(count * (count - 1), -1 / (count - 1)))


def test_ends_of_a_range_are_ends_on_its_own_scale_and_what_lies_outside_is_there_too():
    points = [
        {"rate": 1e-4, "share": -1.0, "K": 2, "steps": 1, "word": "a"},
        {"rate": 1.0, "share": 3.0, "K": 5, "steps": 1000, "word": None},
        {"rate": 1e-2, "share": 1.0, "K": 4, "steps": 31, "word": "b"},
        {"rate": 50.0, "share": 99.0, "K": 5, "steps": 1000, "word": "b"},
    ]
    rate, share, _, steps, _ = columns(points, SPACE, list(SPACE))
    for part in (rate, share, steps):
        assert part[0] == pytest.approx(cosines(np.array([0.0]), 8)[0])
        assert part[1] == pytest.approx(cosines(np.array([1.0]), 8)[0])
        assert part[3] == pytest.approx(part[1])
    assert rate[2] == pytest.approx(cosines(np.array([0.5]), 8)[0])


@pytest.mark.parametrize("points", [6, 40])
@pytest.mark.parametrize("terms", [[(0,)], [(0,), (1,)], [(0,), (1,), (0, 1)]])
def test_evidence_is_the_density_of_a_gaussian_process(points, terms):
    parts, values = data(points)
    functions = design(parts, terms)
    by_hand = []
    for noise in NOISE:
        covariance = (1 - noise) * functions @ functions.T + noise * np.eye(points)
        by_hand.append(multivariate_normal(np.zeros(points), covariance).logpdf(values))
    plain = multivariate_normal(np.zeros(points), np.eye(points)).logpdf(values)
    assert evidence(functions, values[:, None])[0] == pytest.approx(max(by_hand) - plain)


@given(st.lists(st.integers(1, 3), min_size=8, max_size=8))
def test_a_weight_counts_a_point_as_often(weights):
    parts, values = data(8)
    functions, often = design(parts, [(0,), (1,)]), np.repeat(np.arange(8), weights)
    repeated = (values[often] - values[often].mean()) / values[often].std()
    expected = evidence(functions[often], repeated[:, None])[0]
    root = np.sqrt(np.array(weights, float))
    scaled = (values - values[often].mean()) / values[often].std()
    assert evidence(functions * root[:, None], (scaled * root)[:, None])[0] == pytest.approx(expected)


@pytest.mark.parametrize("points", [6, 40])
def test_smoothing_is_ridge_and_what_is_left_is_freed_from_its_own_pull(points):
    parts, values = data(points)
    functions = design(parts, [(0,), (1,)])
    found = fitted(functions, values)
    best = []
    for noise in NOISE:
        covariance = (1 - noise) * functions @ functions.T + noise * np.eye(points)
        hat = (1 - noise) * functions @ functions.T @ np.linalg.inv(covariance)
        left = np.eye(points) - hat
        scale = np.sqrt(np.maximum((left**2).sum(1), 0.01))
        best.append((multivariate_normal(np.zeros(points), covariance).logpdf(values), hat @ values, left @ values / scale))
    _, smooth, rest = max(best, key=lambda row: row[0])
    assert found.fitted == pytest.approx(smooth, abs=1e-9)
    assert found.left == pytest.approx(rest, abs=1e-9)


def test_a_pair_has_all_products():
    parts, _ = data(5)
    pair = design(parts, [(0, 1)])
    assert pair.shape == (5, 64)
    assert pair[3].reshape(8, 8) == pytest.approx(np.outer(parts[0][3], parts[1][3]))
    both = design(parts, [(0,), (1,)])
    assert (both**2).sum() == pytest.approx(((parts[0] ** 2).sum() + (parts[1] ** 2).sum()) / 2)
    assert math.isfinite(evidence(both, np.zeros((5, 1)))[0])
