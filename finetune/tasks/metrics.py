"""Metrics by name, each with the direction that is better.

scikit-learn and scipy are imported where a score is taken, so that a wrong name is refused without waiting for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import Kind
from finetune.errors import Diverged, UserError, near
from finetune.tasks.task import Task

Array = NDArray[Any]
Score = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Metric:
    """A function of labels and predictions.

    Args:
        score: Labels (n,) and logits (n, classes), or targets and predictions (n, targets).
        direction: "maximize" or "minimize".
        kinds: The tasks it is defined for.
    """

    score: Score
    direction: Literal["maximize", "minimize"]
    kinds: tuple[Kind, ...]


def _by_class(name: str, **options: Any) -> Score:
    def score(labels: Array, logits: Array) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(labels, logits.argmax(1), **options))

    return score


def _log_loss(labels: Array, logits: Array) -> float:
    from scipy.special import softmax
    from sklearn.metrics import log_loss

    return float(log_loss(labels, softmax(logits.astype(np.float64), 1), labels=np.arange(logits.shape[1])))


def _correlation(name: str) -> Score:
    """The mean over the targets; 0 for a constant prediction, which explains nothing."""

    def mean(targets: Array, predictions: Array) -> float:
        from scipy import stats

        score, pairs = getattr(stats, name), zip(targets.T, predictions.T, strict=True)
        return float(np.mean([score(t, p).statistic if np.ptp(p) > 0 and np.ptp(t) > 0 else 0.0 for t, p in pairs]))

    return mean


def _mcc(labels: Array, logits: Array) -> float:
    """Matthews' coefficient; 0 where there is one class only, of which scikit-learn warns."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, logits.argmax(1))) if np.ptp(labels) > 0 else 0.0


def _qwk(labels: Array, output: Array) -> float:
    """Quadratic weighted kappa; classes by rank of their number, regression rounded to whole numbers."""
    if labels.ndim == 1:
        return _kappa(labels, output.argmax(1))
    rounded = [(np.rint(t), np.rint(p)) for t, p in zip(labels.T, output.T, strict=True)]
    return float(np.mean([_kappa(t, np.clip(p, t.min(), t.max())) for t, p in rounded]))


def _kappa(one: Array, other: Array) -> float:
    """One minus the mean squared difference over that of rows paired by chance: a rating nobody gave keeps its distance."""
    chance = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return float(1 - np.mean((one - other) ** 2) / chance) if chance > 0 else 0.0


def _rmse(targets: Array, predictions: Array) -> float:
    return float(np.sqrt(np.mean((targets - predictions) ** 2)))


def _mcrmse(targets: Array, predictions: Array) -> float:
    return float(np.sqrt(np.mean((targets - predictions) ** 2, axis=0)).mean())


CLASSES: tuple[Kind, ...] = ("classification",)
NUMBERS: tuple[Kind, ...] = ("regression",)
METRICS = {
    "accuracy": Metric(_by_class("accuracy_score"), "maximize", CLASSES),
    "macro_f1": Metric(_by_class("f1_score", average="macro", zero_division=0.0), "maximize", CLASSES),
    "micro_f1": Metric(_by_class("f1_score", average="micro", zero_division=0.0), "maximize", CLASSES),
    "mcc": Metric(_mcc, "maximize", CLASSES),
    "log_loss": Metric(_log_loss, "minimize", CLASSES),
    "qwk": Metric(_qwk, "maximize", ("classification", "regression")),
    "rmse": Metric(_rmse, "minimize", NUMBERS),
    "mcrmse": Metric(_mcrmse, "minimize", NUMBERS),
    "pearson": Metric(_correlation("pearsonr"), "maximize", NUMBERS),
    "spearman": Metric(_correlation("spearmanr"), "maximize", NUMBERS),
}
AGREEMENT = ("mcc", "qwk", "pearson", "spearman")
# Of several targets, before the name of one.
TARGET = "rmse "
DEFAULTS: dict[Kind, str] = {"classification": "accuracy", "regression": "rmse"}
# For several targets.
SEVERAL = "mcrmse"


def find_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UserError: There is none.
    """
    if name not in METRICS:
        raise UserError(f"unknown metric {name!r}{near(name, METRICS)}")
    return METRICS[name]


def metric_for(task: Task, asked: str | None = None) -> str:
    """The name of the metric to optimise: the one asked for, or the usual one of the task.

    Raises:
        UserError: The one asked for is not defined for the task.
    """
    name = asked or (SEVERAL if task.kind == "regression" and len(task.names) > 1 else DEFAULTS[task.kind])
    if task.kind not in find_metric(name).kinds:
        fitting = ", ".join(name for name, metric in METRICS.items() if task.kind in metric.kinds)
        raise UserError(f"{arg('metric', name)} is not for {task.kind}; choose from {fitting}")
    return name


def evaluate(task: Task, labels: Array, output: Array) -> dict[str, float]:
    """Every metric that is defined for the task.

    Raises:
        Diverged: The predictions are not finite.
    """
    if not np.isfinite(output).all():
        raise Diverged("the predictions are not finite")
    output = output.astype(np.float64)  # the square of a large float32 is infinite
    values = {name: metric.score(labels, output) for name, metric in METRICS.items() if task.kind in metric.kinds}
    return values | by_target(task, labels, output)


def by_target(task: Task, labels: Array, output: Array) -> dict[str, float]:
    """The error of each of several targets, "rmse valence"; empty where there is one, or classes."""
    if task.kind != "regression" or len(task.names) < 2:
        return {}
    return {f"{TARGET}{name}": _rmse(labels[:, i], output[:, i]) for i, name in enumerate(task.names)}


def constant_guess(task: Task) -> dict[str, float]:
    """What every metric gives for the best that can be said without reading a text, on the validation rows.

    Classes get their share of the training rows (so the most frequent one is predicted), targets their mean over them.
    Agreement and correlation of a constant are 0.
    """
    rows, labels = len(task.validation), task.train.labels
    if task.kind == "regression":
        guess = labels.mean(0, dtype=np.float64)
    else:
        counts = np.bincount(labels.astype(np.int64), minlength=len(task.names))
        guess = np.log(np.maximum(counts, 0.5) / len(labels))  # a class that a part of the rows has lost is not ruled out
    values = evaluate(task, task.validation.labels, np.tile(guess, (rows, 1)))
    return {name: 0.0 if name in AGREEMENT else value for name, value in values.items()}
