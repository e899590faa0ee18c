import math

import numpy as np
import pytest
from helpers.small_tasks import numbers_task, reviews_task
from scipy.special import softmax
from sklearn import metrics

from finetune.errors import Diverged, UserError
from finetune.tasks import KINDS
from finetune.tasks.metrics import METRICS, constant_guess, evaluate, find_metric
from finetune.tasks.task import Rows, Task

CLASSES = [name for name, metric in METRICS.items() if "classification" in metric.kinds]
NUMBERS = [name for name, metric in METRICS.items() if "regression" in metric.kinds]
# Classes 0, 0, 1, 2 predicted as 0, 1, 1, 2.
LABELS = np.array([0, 0, 1, 2])
LOGITS = np.log([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
TARGETS = np.array([[1.0, 5], [2, 4], [3, 3], [4, 5]])
PREDICTIONS = np.array([[2.0, 5], [1, 4], [3, 3], [4, 5]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 3 / 4),
        ("macro_f1", (2 / 3 + 2 / 3 + 1) / 3),
        ("micro_f1", 3 / 4),
        ("mcc", (3 * 4 - (2 * 1 + 1 * 2 + 1 * 1)) / math.sqrt((16 - 6) * (16 - 6))),
        ("log_loss", -(math.log(0.5) + math.log(0.2) + math.log(0.8) + math.log(0.8)) / 4),
        ("qwk", 1 - (1 / 4) / (20 / 16)),
        ("weighted_f1", (2 * 2 / 3 + 2 / 3 + 1) / 4),
    ],
)
def test_classes_by_hand(name, value):
    assert METRICS[name].kinds["classification"].score(LABELS, LOGITS) == pytest.approx(value)


def binary(score, y, p):
    """Of two classes the second; of more, the mean over those that some row has and some have not."""
    if p.shape[1] == 2:
        return score(y == 1, p[:, 1])
    return np.mean([score(y == number, p[:, number]) for number in range(p.shape[1]) if 0 < (y == number).sum() < len(y)])


# From labels, predicted classes and probabilities; the first ones to the bit, for studies of earlier versions go on.
SCIKIT_LEARN = {
    "accuracy": lambda y, c, p: metrics.accuracy_score(y, c),
    "macro_f1": lambda y, c, p: metrics.f1_score(y, c, average="macro", zero_division=0.0),
    "micro_f1": lambda y, c, p: metrics.f1_score(y, c, average="micro", zero_division=0.0),
    "weighted_f1": lambda y, c, p: metrics.f1_score(y, c, average="weighted", zero_division=0.0),
    "mcc": lambda y, c, p: metrics.matthews_corrcoef(y, c),
    "log_loss": lambda y, c, p: metrics.log_loss(y, p, labels=np.arange(p.shape[1])),
    "roc_auc": lambda y, c, p: binary(metrics.roc_auc_score, y, p),
    "average_precision": lambda y, c, p: binary(metrics.average_precision_score, y, p),
}


@pytest.mark.parametrize("spread", [0.1, 3, 40, 1e4, 1e30])
@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (7, 2), (30, 20), (64, 3), (5000, 6)])
def test_scores_are_scikit_learn_s(rows, classes, spread):
    """A prediction that is as sure as it is wrong costs a finite number; of sure ones many have the same probability."""
    rng = np.random.default_rng(rows)
    logits, labels = (spread * rng.standard_normal((rows, classes))).astype(np.float32), rng.integers(classes, size=rows)
    shares = softmax(logits.astype(np.float64), 1)
    for name, score in SCIKIT_LEARN.items():
        if rows == 1 and name in ("mcc", "roc_auc", "average_precision"):
            continue
        found, expected = (
            METRICS[name].kinds["classification"].score(labels, logits),
            score(labels, logits.argmax(1), shares),
        )
        exact = name not in ("roc_auc", "average_precision")
        assert found == expected if exact else found == pytest.approx(expected, rel=1e-12), name


@pytest.mark.parametrize(("rows", "labels"), [(1, 2), (50, 2), (50, 7), (9, 40)])
def test_the_ranking_is_scikit_learn_s_where_scores_are_equal(rows, labels):
    rng = np.random.default_rng(rows)
    there, scores = rng.integers(2, size=(rows, labels)), rng.integers(-3, 4, size=(rows, labels)) / 2
    found = METRICS["lrap"].kinds["multilabel"].score(there.astype(np.float32), scores)
    assert found == pytest.approx(metrics.label_ranking_average_precision_score(there, scores))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rmse", math.sqrt(2 / 8)),
        ("mae", 2 / 8),
        ("mcrmse", math.sqrt(2 / 4) / 2),
        ("pearson", (4 / 5 + 1) / 2),
        ("spearman", (1 - 6 * 2 / (4 * 15) + 1) / 2),
        ("qwk", (1 - (2 / 4) / (2 * 1.25) + 1) / 2),
    ],
)
def test_targets_by_hand(name, value):
    assert METRICS[name].kinds["regression"].score(TARGETS, PREDICTIONS) == pytest.approx(value)


def test_every_metric_has_its_direction():
    less = {"log_loss", "rmse", "mcrmse", "mae", "hamming_loss"}
    assert {name for name, metric in METRICS.items() if metric.direction == "minimize"} == less
    assert {kind for metric in METRICS.values() for kind in metric.kinds} == set(KINDS)


def test_evaluate_gives_every_metric_of_the_task():
    assert sorted(evaluate(reviews_task(), np.array([0, 1]), np.eye(2, dtype=np.float32))) == sorted(CLASSES)
    found = evaluate(numbers_task(), TARGETS, PREDICTIONS.astype(np.float32))
    assert sorted(found) == sorted([*NUMBERS, "rmse words", "rmse commas"])


def test_kappa_of_targets_measures_distance_not_rank():
    targets = np.array([[1.0, 1.2, 5, 5.4]]).T
    near, far = np.array([[1.0, 2, 5, 5]]).T, np.array([[1.0, 4, 5, 5]]).T
    score = METRICS["qwk"].kinds["regression"].score
    assert score(targets, near) == pytest.approx(1 - (1 / 4) / np.mean((np.rint(targets) - near.T) ** 2))
    assert score(targets, near) > score(targets, far)
    assert score(targets, np.array([[-9.0, 1, 5, 99]]).T) == pytest.approx(1)


@pytest.mark.parametrize("labels", [[0, 1, 1, 1], [1, 1, 1, 1]])
@pytest.mark.parametrize("scale", [0, 1, 1e30])
def test_constant_and_huge_classes_are_defined_without_warnings(labels, scale):
    output = np.tile(np.array([1, 2], np.float32) * np.float32(scale), (4, 1))
    assert all(math.isfinite(value) for value in evaluate(reviews_task(), np.array(labels), output).values())


@pytest.mark.parametrize("targets", [TARGETS.astype(np.float32), np.ones(TARGETS.shape, np.float32)])
@pytest.mark.parametrize("scale", [0, 1e-7, 1, 1e30])
def test_constant_and_huge_predictions_are_defined_without_warnings(targets, scale):
    constant = evaluate(numbers_task(), targets, np.full((4, 2), scale, np.float32))
    assert [constant[name] for name in ("pearson", "spearman", "qwk")] == [0, 0, 0]
    nearly = np.float32(1) + np.float32(scale) * PREDICTIONS.astype(np.float32)
    for values in (constant, evaluate(numbers_task(), targets, nearly)):
        assert all(math.isfinite(value) for value in values.values())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_divergence(bad):
    output = np.eye(2, dtype=np.float32)
    output[1, 0] = bad
    with pytest.raises(Diverged, match="not finite"):
        evaluate(reviews_task(), np.array([0, 1]), output)


def test_an_unknown_metric_is_answered_with_the_near_one():
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        find_metric("acuracy")


def task_of(kind, names, train, validation):
    def rows(labels):
        return Rows([f"text {n}" for n in range(len(labels))], None, np.array(labels))

    return Task("made", kind, names, rows(train), rows(validation), rows(validation))


@pytest.mark.parametrize(
    ("train", "validation", "values"),
    [
        # The majority is class 1; the shares of the training rows are 1/4 and 3/4.
        ([0, 1, 1, 1], [0, 0, 1], {"accuracy": 1 / 3, "micro_f1": 1 / 3, "macro_f1": (0 + 2 / 4) / 2}),
        ([0, 1, 1, 1], [0, 0, 1], {"log_loss": -(2 * math.log(1 / 4) + math.log(3 / 4)) / 3, "mcc": 0, "qwk": 0}),
        ([0, 0, 1, 1], [1, 1], {"accuracy": 0, "log_loss": math.log(2), "mcc": 0}),
        ([2, 2, 2, 1, 0], [2, 1, 0, 2], {"accuracy": 1 / 2, "macro_f1": (0 + 0 + 2 * 0.5 / 1.5) / 3}),
        ([0, 0, 0, 1], [0, 0], {"accuracy": 1, "macro_f1": 1, "mcc": 0, "qwk": 0}),
    ],
)
def test_the_constant_guess_of_classes_by_hand(train, validation, values):
    found = constant_guess(task_of("classification", ("a", "b", "c")[: max(train) + 1], train, validation))
    assert sorted(found) == sorted(CLASSES)
    assert {name: found[name] for name in values} == pytest.approx(values)


def test_a_class_that_no_training_row_has_is_not_ruled_out():
    found = constant_guess(task_of("classification", ("a", "b", "c"), [0, 0, 1, 1], [2, 2]))
    assert found["accuracy"] == 0
    assert found["log_loss"] == pytest.approx(-math.log((1 / 8) / (1 + 1 / 8)))


@pytest.mark.parametrize("scale", [1e-5, 1, 1e6])
def test_the_constant_guess_of_targets_is_the_mean_of_the_training_rows(scale):
    train = np.array([[1.0, 10], [2, 10], [6, 40]], np.float32) * np.float32(scale)
    validation = np.array([[3.0, 20], [5, 26]], np.float32) * np.float32(scale)
    found = constant_guess(task_of("regression", ("x", "y"), train, validation))
    x, y = math.sqrt((0 + 4) / 2) * scale, math.sqrt((0 + 36) / 2) * scale
    expected = {"rmse": math.sqrt((4 + 36) / 4) * scale, "mcrmse": (x + y) / 2, "rmse x": x, "rmse y": y}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert [found[name] for name in ("pearson", "spearman", "qwk")] == [0, 0, 0]


def test_several_targets_have_an_error_each():
    found = evaluate(numbers_task(), TARGETS, PREDICTIONS)
    assert found["rmse words"] == pytest.approx(math.sqrt(2 / 4))
    assert found["rmse commas"] == 0
    one = evaluate(numbers_task(1), TARGETS[:, :1], PREDICTIONS[:, :1])
    assert sorted(one) == sorted(NUMBERS)
