"""How far two predictions lie apart: the distances that smoothness regularisers use, as means over the texts."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from adv.modules import unwrapped

DISTANCES = ("auto", "kl", "bernoulli", "mse")
PROBLEMS = {"regression": "mse", "multi_label_classification": "bernoulli", "single_label_classification": "kl"}


def distance_of(distance: str, model: nn.Module, logits: Tensor) -> str:
    """The distance that "auto" means: by ``config.problem_type``, else squared error for one output, else KL."""
    if distance != "auto":
        return distance
    problem: Any = getattr(getattr(unwrapped(model), "config", None), "problem_type", None)
    return PROBLEMS.get(problem, "mse" if logits.shape[-1] == 1 else "kl")


def divergence(target: Tensor, logits: Tensor, distance: str, mask: Tensor | None = None) -> Tensor:
    """``KL(target || logits)``, or the mean squared difference for "mse"; 0 where they are equal, to rounding.

    Args:
        target: Logits (batch, outputs) or, for one prediction a token, (batch, seq, outputs).
        logits: Of the same shape.
        distance: "kl" (one label), "bernoulli" (several labels) or "mse" (regression).
        mask: 1.0 at the tokens that count, (batch, seq, 1); for predictions of tokens.

    Returns:
        The mean over texts (over the tokens that count), shape ().
    """
    if distance == "mse":
        rows = (target - logits).square().mean(-1)
    elif distance == "bernoulli":
        p = target.sigmoid()
        rows = (p * (F.logsigmoid(target) - F.logsigmoid(logits))).sum(-1)
        rows = rows + ((1 - p) * (F.logsigmoid(-target) - F.logsigmoid(-logits))).sum(-1)
    else:
        p = F.log_softmax(target, -1)
        rows = (p.exp() * (p - F.log_softmax(logits, -1))).sum(-1)
    if mask is not None and rows.shape == mask.shape[:2]:
        return (rows * mask[..., 0]).sum() / mask.sum().clamp_min(1)
    return rows.mean()


def symmetric(one: Tensor, other: Tensor, distance: str, mask: Tensor | None = None) -> Tensor:
    """``KL(one || other) + KL(other || one)``; for "mse" the squared difference, once."""
    there = divergence(one, other, distance, mask)
    return there if distance == "mse" else there + divergence(other, one, distance, mask)


def detached_pair(one: Tensor, other: Tensor, distance: str, mask: Tensor | None = None) -> Tensor:
    """``KL(one' || other) + KL(other' || one)``, each side pulled towards the other as it stands: a dash is held fixed.

    Its value is that of ``symmetric``, its gradient near equality half as large. For "mse" the value is twice the
    squared difference, the gradient that of one.
    """
    there = divergence(one.detach(), other, distance, mask)
    return there + divergence(other.detach(), one, distance, mask)
