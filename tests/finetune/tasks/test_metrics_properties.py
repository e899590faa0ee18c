"""What holds for any labels and any predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from finetune.tasks.metrics import METRICS

CLASSES = [name for name, metric in METRICS.items() if "classification" in metric.kinds]
NUMBERS = [name for name, metric in METRICS.items() if "regression" in metric.kinds]
ratings = st.integers(1, 40).flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=n, max_size=n))


def some_logits(n):
    return arrays(np.float64, (n, 3), elements=st.floats(-30, 30))


def some_targets(n):
    return arrays(np.float64, (n, 2), elements=st.integers(-40, 40).map(lambda n: n / 8))


def better(name, one, other):
    return one >= other - 1e-9 if METRICS[name].direction == "maximize" else one <= other + 1e-9


@given(ratings)
def test_kappa_agrees_with_the_weights_over_all_classes(pairs):
    one, other = np.array(pairs).T
    by_class, by_number = (METRICS["qwk"].kinds[kind].score for kind in ("classification", "regression"))
    found = by_class(one, np.eye(5)[other])
    if len(set(one) | set(other)) == 1:
        assert found == 0
    else:
        assert found == pytest.approx(cohen_kappa_score(one, other, labels=np.arange(5), weights="quadratic"))
    clipped = other.clip(one.min(), one.max())
    as_numbers = by_number(one[:, None], other[:, None])
    assert as_numbers == pytest.approx(by_class(one, np.eye(5)[clipped]))


@given(arrays(np.float64, (12, 2), elements=st.floats(-5, 5, width=16)))
def test_correlations_agree_with_numpy(predictions):
    targets = np.arange(24.0).reshape(12, 2) ** 2
    both = [np.corrcoef(t, p)[0, 1] if np.ptp(p) > 0 else 0 for t, p in zip(targets.T, predictions.T, strict=True)]
    assert METRICS["pearson"].kinds["regression"].score(targets, predictions) == pytest.approx(np.mean(both))


@given(some_logits(9), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_perfect_classes_are_best(logits, more):
    labels = np.array([0, 1, 2, *more])
    for name in CLASSES:
        score = METRICS[name].kinds["classification"].score
        perfect = score(labels, 50 * np.eye(3)[labels])
        assert perfect == pytest.approx(1 if METRICS[name].direction == "maximize" else 0), name
        assert better(name, perfect, score(labels, logits)), name


@given(some_targets(6), some_targets(6))
def test_perfect_predictions_are_best(targets, predictions):
    for name in NUMBERS:
        score = METRICS[name].kinds["regression"].score
        assert better(name, score(targets, targets), score(targets, predictions)), name


def assert_order_does_not_matter(kind, order, labels, output, but=()):
    """Of any metric of this kind that is none of those."""
    for name, metric in METRICS.items():
        if kind in metric.kinds and name not in but:
            score = metric.kinds[kind].score
            assert score(labels[order], output[order]) == pytest.approx(score(labels, output), abs=1e-9), name


orders = st.permutations(range(7)).map(np.array)


@given(orders, st.lists(st.integers(0, 2), min_size=7, max_size=7).map(np.array), some_logits(7))
def test_order_of_rows_does_not_matter_for_classes(order, labels, logits):
    assert_order_does_not_matter("classification", order, labels, logits)


@given(orders, some_targets(7), some_targets(7))
def test_order_of_rows_does_not_matter_for_numbers(order, targets, predictions):
    assert_order_does_not_matter("regression", order, targets, predictions, but=CLASSES)
