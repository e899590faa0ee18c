"""Scores for several labels of one text: labels (n, labels) of 0 and 1, and predictions.

Predictions are logits (n, labels), or (n, labels, 2): logits, and the logits of the thresholds. Without thresholds a
label is predicted if its probability is above 0.5.
"""

import warnings

import numpy as np

from finetune.tasks.scores import Array, average_precisions, roc_aucs


def logits_of(output: Array) -> Array:
    """The logits (n, labels)."""
    return output[..., 0] if output.ndim == 3 else output


def predicted(output: Array) -> Array:
    """Which labels (n, labels) are predicted: those whose logit is above the threshold's."""
    found: Array = output[..., 0] > output[..., 1] if output.ndim == 3 else output > 0
    return found


def probabilities(output: Array) -> Array:
    """The probability (n, labels) of each label."""
    from scipy.special import expit

    found: Array = expit(logits_of(output).astype(np.float64))
    return found


def f1s(labels: Array, output: Array, axis: int = 0, none: float = 0.0) -> Array:
    """The F1 of each label, or with ``axis`` 1 of each row; ``none`` where there is no label and none is predicted.

    scikit-learn takes one label for two classes, and a hundred draws of rows cost it seconds.
    """
    truth, given = labels > 0, predicted(output)
    right, all_ = (truth & given).sum(axis), truth.sum(axis) + given.sum(axis)
    return np.where(all_ > 0, 2 * right / np.maximum(all_, 1), none)


def macro_f1(labels: Array, output: Array) -> float:
    """The mean F1 of the labels."""
    return float(f1s(labels, output).mean())


def micro_f1(labels: Array, output: Array) -> float:
    """The F1 of all answers together."""
    together = output.reshape(-1, 1, 2) if output.ndim == 3 else output.reshape(-1, 1)
    return float(f1s(labels.reshape(-1, 1), together)[0])


def weighted_f1(labels: Array, output: Array) -> float:
    """The mean F1 of the labels, weighted by the rows that have them."""
    rows = (labels > 0).sum(0)
    return float(f1s(labels, output) @ rows / max(rows.sum(), 1))


def samples_f1(labels: Array, output: Array) -> float:
    """The mean F1 of the rows; 1 for a row without labels if none is predicted."""
    return float(f1s(labels, output, axis=1, none=1.0).mean())


def subset_accuracy(labels: Array, output: Array) -> float:
    """The share of rows whose labels are all right."""
    return float((predicted(output) == (labels > 0)).all(1).mean())


def hamming_loss(labels: Array, output: Array) -> float:
    """The share of wrong answers, over rows and labels."""
    return float((predicted(output) != (labels > 0)).mean())


def roc_auc(labels: Array, output: Array) -> float:
    """The mean area under the ROC curve over the labels that some rows have and some have not; 0.5 if there are none."""
    return mean_of(roc_aucs(labels > 0, logits_of(output)), 0.5)


def average_precision(labels: Array, output: Array) -> float:
    """The mean average precision over the labels that some row has; 0 if there are none."""
    return mean_of(average_precisions(labels > 0, logits_of(output)), 0.0)


def mean_of(values: Array, none: float) -> float:
    """The mean of the values that are defined; ``none`` if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else none


def lrap(labels: Array, output: Array) -> float:
    """Label ranking average precision; 1 for a row without labels, as in scikit-learn, which looks at row after row."""
    from scipy.stats import rankdata

    truth, least = labels > 0, -logits_of(output).astype(np.float64)
    rank, among = (rankdata(values, "max", axis=1) for values in (least, np.where(truth, least, np.inf)))
    many = truth.sum(1)
    return float(np.where(many > 0, (among / rank).sum(1, where=truth) / np.maximum(many, 1), 1.0).mean())


def log_loss(labels: Array, output: Array) -> float:
    """The mean binary cross entropy over rows and labels."""
    logits = logits_of(output).astype(np.float64)
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def best_thresholds(labels: Array, output: Array) -> Array:
    """For each label the logit above which it is predicted so that its F1 on these rows is highest; 0 without positives.

    Lies between the two logits that it separates; of several as good, the one nearest to 0.
    """
    from sklearn.metrics import precision_recall_curve

    found = np.zeros(labels.shape[1])
    for label in np.flatnonzero(labels.any(0)):
        logits = output[:, label].astype(np.float64)
        with warnings.catch_warnings(action="ignore"):
            precision, recall, cuts = precision_recall_curve(labels[:, label] > 0, logits)
        precision, recall, cuts = precision[: len(cuts)], recall[: len(cuts)], cuts
        f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
        known = np.unique(logits)
        place = np.searchsorted(known, cuts)
        below = np.where(place > 0, known[np.maximum(place - 1, 0)], min(known[0], 0) - 1)
        between = np.where((below < 0) & (cuts > 0), 0.0, (below + cuts) / 2)  # 0 separates them as well as any other
        best = np.flatnonzero(f1 >= f1.max() - 1e-12)
        found[label] = between[best[np.argmin(np.abs(between[best]))]]
    return found
