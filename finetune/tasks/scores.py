"""Scores that kinds of task share.

scikit-learn and scipy are imported when a score is computed: a refusal need not wait for them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Score = Callable[[Array, Array], float]


def by_class(name: str, **options: Any) -> Score:
    """A score of scikit-learn, for class numbers (n,) and logits (n, classes)."""

    def score(labels: Array, logits: Array) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(labels, logits.argmax(1), **options))

    return score


def log_loss(labels: Array, logits: Array) -> float:
    """The mean negative log-likelihood of the labels (n,) under logits (n, classes).

    To the bit that of scikit-learn, whose checks take fifty times as long: a bootstrap asks a hundred times.
    """
    from scipy.special import softmax

    likely, least = softmax(logits.astype(np.float64), 1)[np.arange(len(labels)), labels], np.finfo(np.float64).eps
    return float(-np.log(np.clip(likely, least, 1 - least)).mean())


def roc_aucs(truth: Array, scores: Array) -> Array:
    """The area under the ROC curve of each column; nan where all rows are alike.

    Args:
        truth: Whether a row has the label (n, labels).
        scores: The higher, the likelier (n, labels).
    """
    from sklearn.metrics import roc_auc_score

    pairs = zip(truth.T, scores.T, strict=True)
    return np.array([roc_auc_score(true, score) if true.any() and not true.all() else np.nan for true, score in pairs])


def average_precisions(truth: Array, scores: Array) -> Array:
    """The average precision of each column; nan where no row has the label. Arguments as for ``roc_aucs``."""
    from sklearn.metrics import average_precision_score

    pairs = zip(truth.T, scores.T, strict=True)
    return np.array([average_precision_score(true, score) if true.any() else np.nan for true, score in pairs])


def of_classes(each: Callable[[Array, Array], Array], none: float) -> Score:
    """The mean over the classes of a score of one class against the others; of two classes only the second counts.

    Classes that the rows do not have are left out.

    Args:
        each: ``roc_aucs`` or ``average_precisions``.
        none: The score if it is defined for no class.
    """

    def score(labels: Array, logits: Array) -> float:
        from scipy.special import softmax

        shares, classes = softmax(logits.astype(np.float64), 1), logits.shape[1]
        known = range(1, 2) if classes == 2 else range(classes)
        values = each(np.stack([labels == number for number in known], 1), shares[:, known])
        return float(np.nanmean(values)) if not np.isnan(values).all() else none

    return score


def mcc(labels: Array, logits: Array) -> float:
    """Matthews' correlation coefficient; 0 if there is only one class, where scikit-learn would warn."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, logits.argmax(1))) if np.ptp(labels) > 0 else 0.0


def kappa(one: Array, other: Array) -> float:
    """Quadratic weighted kappa of two ratings (n,).

    One minus the ratio of the mean squared difference to that of rows paired by chance: unused ratings keep their distance.
    """
    chance = one.var() + other.var() + (one.mean() - other.mean()) ** 2
    return float(1 - np.mean((one - other) ** 2) / chance) if chance > 0 else 0.0


def kappa_of_classes(labels: Array, logits: Array) -> float:
    """Kappa of class numbers (n,), taken in their order, and logits (n, classes)."""
    return kappa(labels, logits.argmax(1))


def kappa_of_numbers(targets: Array, predictions: Array) -> float:
    """The mean over the targets of the kappa of whole numbers; predictions (n, targets) are rounded and kept in range."""
    rounded = [(np.rint(t), np.rint(p)) for t, p in zip(targets.T, predictions.T, strict=True)]
    return float(np.mean([kappa(t, np.clip(p, t.min(), t.max())) for t, p in rounded]))


def correlation(name: str) -> Score:
    """A correlation from scipy, averaged over the targets; 0 for a constant prediction, which explains nothing."""

    def mean(targets: Array, predictions: Array) -> float:
        from scipy import stats

        score, pairs = getattr(stats, name), zip(targets.T, predictions.T, strict=True)
        return float(np.mean([score(t, p).statistic if np.ptp(p) > 0 and np.ptp(t) > 0 else 0.0 for t, p in pairs]))

    return mean


def rmse(targets: Array, predictions: Array) -> float:
    """The root of the mean squared error over all rows and targets."""
    return float(np.sqrt(np.mean((targets - predictions) ** 2)))


def mcrmse(targets: Array, predictions: Array) -> float:
    """The mean over the targets of their root mean squared errors."""
    return float(np.sqrt(np.mean((targets - predictions) ** 2, axis=0)).mean())


def mae(targets: Array, predictions: Array) -> float:
    """The mean absolute error over all rows and targets."""
    return float(np.abs(targets - predictions).mean())
