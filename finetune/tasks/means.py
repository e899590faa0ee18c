"""The mean of what several models say of the same rows: of their probabilities, of their logits, or of ranks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.kind import Array, Kind

How: TypeAlias = Literal["probabilities", "logits", "ranks"]
HOWS: tuple[How, ...] = get_args(How)


def mean_of(kind: Kind, raws: Sequence[Array], weights: Sequence[float] | None = None, how: How = "probabilities") -> Array:
    """The mean of raw outputs, in the form of raw outputs: logits whose probabilities are the mean, or numbers.

    Probabilities are averaged by their logarithms in float64, so that none becomes 0 or 1. One model stays as it is, bit
    for bit. Numbers in the data's units are averaged as they are.

    Args:
        kind: The kind of task.
        raws: Raw outputs (rows, ...) of each model, all of one shape; as ``Bench.raw`` returns them.
        weights: Of the models, positive; by default all count equally.
        how: What is averaged; "ranks" are no outputs, see ``ranks_of``.

    Raises:
        UserError: These outputs have no logits, or ranks are asked for.

    Example:
        >>> from finetune.tasks import KINDS
        >>> half, all_ = (np.log([[one, 1 - one]]) for one in (0.5, 0.9))
        >>> np.exp(mean_of(KINDS["classification"], [half, all_])).round(3).tolist()
        [[0.7, 0.3]]
    """
    refuse_mean(kind, how)
    if how == "ranks":
        raise ValueError("ranks are no outputs")
    if len(raws) == 1:
        return raws[0]
    shares = np.ones(len(raws)) if weights is None else np.asarray(weights, np.float64)
    shares = shares / shares.sum()
    stacked = np.stack([raw.astype(np.float64) for raw in raws])
    with np.errstate(invalid="ignore"):
        found: Array = (MEANS[kind.raw_as] if how == "probabilities" else _plain)(stacked, shares)
    # What is not there is NaN for all models; what is not finite in one of them is infinite.
    found[~np.isfinite(found) & ~np.isnan(stacked).all(0)] = np.inf
    return found


def refuse_mean(kind: Kind, how: How) -> None:
    """Refuse what cannot be averaged for a kind.

    Raises:
        UserError: The kind has no logits, or ranks of its outputs mean nothing.
    """
    where = arg("mean", how)
    if how == "logits" and kind.raw_as == "values":
        raise UserError(f"{where}: {kind.name} predicts numbers, which have no logits; leave it out")
    if how == "ranks" and (kind.by_word or kind.by_name):
        raise UserError(f"{where}: {kind.name} needs the values, and ranks have none; leave it out, or take logits")


def ranks_of(kind: Kind, raws: Sequence[Array], weights: Sequence[float] | None = None) -> Array:
    """The mean over the models of the ranks of each output's values among all rows, as shares: the highest has 1.

    Equal values share the mean of their ranks. Of classes the probabilities are ranked.

    Args:
        kind: The kind of task.
        raws: Raw outputs (rows, outputs) of each model for all rows.
        weights: Of the models; by default all count equally.

    Raises:
        UserError: Ranks of these outputs mean nothing.

    Example:
        >>> from finetune.tasks import KINDS
        >>> ranks_of(KINDS["regression"], [np.array([[3.0], [7.0], [3.0], [9.0]])]).ravel().tolist()
        [0.375, 0.75, 0.375, 1.0]
    """
    from scipy.stats import rankdata

    refuse_mean(kind, "ranks")
    shares = np.ones(len(raws)) if weights is None else np.asarray(weights, np.float64)
    ranks = [rankdata(_scores(kind, raw), axis=0) / max(len(raw), 1) for raw in raws]
    return np.asarray(np.average(ranks, axis=0, weights=shares))


def _scores(kind: Kind, raw: Array) -> Array:
    return _log_softmax(raw.astype(np.float64)) if kind.raw_as == "softmax" else raw


def _log_softmax(logits: Array) -> Array:
    high = logits - logits.max(-1, keepdims=True)
    return np.asarray(high - np.log(np.exp(high).sum(-1, keepdims=True)))


def _plain(stacked: Array, shares: Array) -> Array:
    return np.asarray(np.tensordot(shares, stacked, 1))


def _of_classes(stacked: Array, shares: Array) -> Array:
    return _log_mean(_log_softmax(stacked), shares)


def _of_labels(stacked: Array, shares: Array) -> Array:
    there, not_there = (-np.logaddexp(0, sign * stacked) for sign in (-1, 1))
    return _log_mean(there, shares) - _log_mean(not_there, shares)


def _log_mean(logs: Array, shares: Array) -> Array:
    """The logarithm of the mean of what these are the logarithms of, over the first axis."""
    high = logs.max(0)
    return np.asarray(high + np.log(np.tensordot(shares, np.exp(logs - high), 1)))


MEANS: Mapping[str, Callable[[Array, Array], Array]] = {"softmax": _of_classes, "sigmoid": _of_labels, "values": _plain}
