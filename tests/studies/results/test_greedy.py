"""Greedy selection: written out by hand, its ties, and what holds for all models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.results.greedy import pick

TRUTH = np.array([1.0, 2.0, 3.0, 4.0])


def worst(mean):
    return float(abs(mean - TRUTH).max())


def by_hand(parts, score, maximize, size):
    """Caruana's procedure with sorted initialisation, on lists of members; the score of the best list on the way."""
    sign = 1 if maximize else -1

    def value(members):
        return round(sign * score(sum(parts[m] for m in members) / len(members)), 10)

    ranked = sorted(range(len(parts)), key=lambda m: -value([m]))
    starts = [ranked[:count] for count in range(1, min(size, len(parts)) + 1)]
    best_start = max(value(members) for members in starts)
    members = next(start for start in starts if value(start) == best_start)
    path = [start for start in starts if len(start) <= len(members)]
    while len(members) < size:
        members = max(([*members, m] for m in range(len(parts))), key=value)
        path.append(members)
    return sign * max(map(value, path))


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_as_written_out_by_hand(maximize, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=30)
    parts = [truth + rng.normal(size=30) * scale for scale in (0.5, 1, 1, 2, 4)]

    def score(mean):
        error = float(np.sqrt(np.mean((mean - truth) ** 2)))
        return 1 / (1 + error) if maximize else error

    found = pick(parts, score, maximize, 12)
    assert found.score == pytest.approx(by_hand(parts, score, maximize, 12), abs=1e-9)
    again = sum(weight * part for weight, part in zip(found.weights, parts, strict=True))
    assert score(again) == pytest.approx(found.score, abs=1e-12)
    assert found.alone == tuple(score(part) for part in parts)


@pytest.mark.parametrize(
    ("away", "size", "counts"),
    [
        ([1, -1, 9], 4, (1, 1, 0)),  # two that are wrong in opposite ways
        ([1, -2, 9], 3, (2, 1, 0)),  # one of them counts twice
        ([1, -2, 9], 2, (1, 1, 0)),  # 0.5 away, better than 1
        ([1, -2, 9], 1, (1, 0, 0)),
        ([9, 0, 5], 9, (0, 1, 0)),  # nothing makes a perfect one better
        ([3, 3, 3], 9, (1, 0, 0)),  # equal models: the first alone
        ([2, 3], 50, (1, 0)),  # all err to the same side
        ([4], 5, (1,)),
        ([-3, 1], 4, (1, 3)),
        ([0.1 + 0.2, 0.3], 9, (1, 0)),  # equal but for rounding
    ],
)
def test_by_a_few_numbers(away, size, counts):
    found = pick([TRUTH + each for each in away], worst, False, size)
    assert found.counts == counts
    assert found.score == pytest.approx(abs(sum(c * a for c, a in zip(counts, away, strict=True))) / sum(counts), abs=1e-12)
    assert found.best == min(range(len(away)), key=lambda n: (round(abs(away[n]), 9), n))


def test_a_score_that_is_not_a_number_is_the_worst():
    parts = [TRUTH + 1, TRUTH * np.nan, TRUTH + 3]
    found = pick(parts, worst, False, 4)
    assert found.counts == (1, 0, 0)
    assert pick(parts, lambda mean: -worst(mean), True, 4).counts == (1, 0, 0)


MODELS = st.lists(st.lists(st.integers(-8, 8), min_size=5, max_size=5), min_size=1, max_size=6)


@given(rows=MODELS, size=st.integers(1, 9), maximize=st.booleans(), data=st.data())
def test_what_holds_for_all_models(rows, size, maximize, data):
    parts, truth = [np.array(row, float) / 8 for row in rows], np.array([1.0, -1, 0, 0.5, 0.25])

    def score(mean):
        return -float(np.square(mean - truth).sum()) if maximize else float(np.square(mean - truth).sum())

    found = pick(parts, score, maximize, size)
    assert sum(found.weights) == pytest.approx(1)
    assert 1 <= sum(found.counts) <= size
    best = max(found.alone) if maximize else min(found.alone)
    assert found.score >= best - 1e-9 if maximize else found.score <= best + 1e-9
    order = data.draw(st.permutations(range(len(parts))))
    again = pick([parts[number] for number in order], score, maximize, size)
    assert again.score == pytest.approx(found.score, abs=1e-9)
    if len({tuple(row) for row in rows}) == len(rows) == len(set(np.round(found.alone, 9))):  # no ties
        assert {number: count for number, count in zip(order, again.counts, strict=True)} == dict(enumerate(found.counts))
