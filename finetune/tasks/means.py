"""The mean of what several models say of the same rows: of their probabilities, of their logits, or of ranks."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.kind import Array, Kind

How: TypeAlias = Literal["probabilities", "logits", "ranks"]
HOWS: tuple[How, ...] = get_args(How)


def mean_of(kind: Kind, raws: Sequence[Array], weights: Sequence[float] | None = None, how: How = "probabilities") -> Array:
    """The mean of raw outputs, in the form of raw outputs: logits whose probabilities are the mean, or numbers.

    Probabilities are averaged in float64, beside those of the contrary, so that none becomes 0 or 1. One model stays as
    it is, bit for bit. Numbers in the data's units are averaged as they are.

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
    parts = (share * to_mean(kind, raw, how) for share, raw in zip(shares / shares.sum(), raws, strict=True))
    return from_mean(kind, np.asarray(sum(parts)), how)


def to_mean(kind: Kind, raw: Array, how: How = "probabilities") -> Array:
    """Raw outputs on the scale on which they are averaged; of a label the probabilities that it is there, and is not.

    What is not there (NaN) stays so, what is not finite is infinite.

    Raises:
        UserError: These outputs have no logits.
    """
    refuse_mean(kind, how)
    wide = raw.astype(np.float64)
    if how == "logits" or kind.raw_as == "values":
        found = wide
    elif kind.raw_as == "softmax":
        found = np.exp(_log_softmax(wide))
    else:
        from scipy.special import expit

        found = np.stack([expit(wide), expit(-wide)], -1)
    broken = ~np.isfinite(wide).all(-1) & ~np.isnan(wide).all(-1) if kind.by_word else ~np.isfinite(wide).all(-1)
    found[broken] = np.inf
    return np.asarray(found)


def from_mean(kind: Kind, mean: Array, how: How = "probabilities") -> Array:
    """Raw outputs again, from a mean of what ``to_mean`` returned."""
    if how == "logits" or kind.raw_as == "values":
        return mean
    logs: Array = np.log(np.maximum(mean, np.finfo(np.float64).tiny))
    with np.errstate(invalid="ignore"):
        return logs if kind.raw_as == "softmax" else np.asarray(logs[..., 0] - logs[..., 1])


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
    with np.errstate(invalid="ignore"):
        high = logits - logits.max(-1, keepdims=True)
        return np.asarray(high - np.log(np.exp(high).sum(-1, keepdims=True)))
