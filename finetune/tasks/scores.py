"""Scores that kinds of task share.

Those of scikit-learn are written out here: its checks take ten to fifty times as long as a score, every evaluation asks for
all scores, and a bootstrap asks a hundred times. Scores of predicted classes and log_loss are the same to the bit.
scipy is imported when a score is computed: a refusal need not wait for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Score = Callable[[Array, Array], float]


def counts(labels: Array, predicted: Array) -> tuple[Array, Array, Array]:
    """For each class, from class numbers (n,): the rows that are it, those predicted to be it, and those that are both."""
    many = int(max(labels.max(), predicted.max())) + 1
    of_both = [labels, predicted, labels[labels == predicted]]
    rows, given, right = (np.bincount(values.astype(np.int64), minlength=many) for values in of_both)
    return rows, given, right


def f1_of_classes(labels: Array, predicted: Array, average: str) -> float:
    """F1 of class numbers (n,), over the classes that are labels or predicted.

    Args:
        labels: The classes of the rows.
        predicted: Their predicted classes.
        average: "macro", the mean of the classes, or "weighted", weighted by their rows. (Of all rows together, F1 is the
            accuracy.)
    """
    rows, given, right = counts(labels, predicted)
    there = rows + given > 0
    values = 2 * right[there] / (rows + given)[there]
    return float(np.average(values, weights=rows[there] if average == "weighted" else None))


def macro_f1(labels: Array, logits: Array) -> float:
    """The mean F1 of the classes, from class numbers (n,) and logits (n, classes)."""
    return f1_of_classes(labels, logits.argmax(1), "macro")


def weighted_f1(labels: Array, logits: Array) -> float:
    """The mean F1 of the classes, weighted by their rows, from class numbers (n,) and logits (n, classes)."""
    return f1_of_classes(labels, logits.argmax(1), "weighted")


def accuracy(labels: Array, logits: Array) -> float:
    """The share of rows whose class is right, from class numbers (n,) and logits (n, classes)."""
    return float((labels == logits.argmax(1)).mean())


def log_loss(labels: Array, logits: Array) -> float:
    """The mean negative log-likelihood of the labels (n,) under logits (n, classes)."""
    from scipy.special import softmax

    likely, least = softmax(logits.astype(np.float64), 1)[np.arange(len(labels)), labels], np.finfo(np.float64).eps
    return float(-np.log(np.clip(likely, least, 1 - least)).mean())


def steps(truth: Array, score: Array) -> tuple[Array, Array]:
    """How many rows with and without the label (n,) lie at each score, from the highest on."""
    known, place = np.unique(-score, return_inverse=True)
    return np.bincount(place[truth], minlength=len(known)), np.bincount(place[~truth], minlength=len(known))


def roc_aucs(truth: Array, scores: Array) -> Array:
    """The area under the ROC curve of each column; nan where all rows are alike.

    It is the share of pairs of a row with the label and one without in which the first has the higher score; equal scores
    count half.

    Args:
        truth: Whether a row has the label (n, labels).
        scores: The higher, the likelier (n, labels).
    """

    def area(true: Array, score: Array) -> float:
        having, without = steps(true, score)
        pairs = having.sum() * without.sum()
        return float(having @ (without.sum() - without.cumsum() + without / 2) / pairs) if pairs else np.nan

    return np.array([area(true, score) for true, score in zip(truth.T, scores.T, strict=True)])


def average_precisions(truth: Array, scores: Array) -> Array:
    """The average precision of each column; nan where no row has the label. Arguments as for ``roc_aucs``."""

    def mean(true: Array, score: Array) -> float:
        having, without = steps(true, score)
        right = having.cumsum()
        return float(having @ (right / (right + without.cumsum())) / right[-1]) if right[-1] else np.nan

    return np.array([mean(true, score) for true, score in zip(truth.T, scores.T, strict=True)])


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
    """Matthews' correlation coefficient of class numbers (n,) and logits (n, classes); 0 if there is only one class."""
    rows, given, right = (values.astype(np.float64) for values in counts(labels, logits.argmax(1)))
    many = float(len(labels))
    chance = (many**2 - given @ given) * (many**2 - rows @ rows)
    return float((right.sum() * many - rows @ given) / np.sqrt(chance)) if chance > 0 else 0.0


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
