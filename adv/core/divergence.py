"""How far two predictions lie apart: the distances that smoothness regularisers use, as means over the texts."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adv.core.modules import unwrapped
from adv.core.settings import AttackError

DISTANCES = ("auto", "kl", "bernoulli", "mse")
PROBLEMS = {"regression": "mse", "multi_label_classification": "bernoulli", "single_label_classification": "kl"}


# A label that carries no loss.
IGNORED = -100
# Models that predict the next token: their labels are moved by one.
NEXT = re.compile("ForCausalLM|LMHeadModel")
# Names that labels have in a batch.
LABELS = ("labels", "label", "label_ids", "targets", "target", "y")
# The distance that the labels decided, by number of outputs and type: their values are read from the device once.
Told = dict[tuple[int, torch.dtype], str]


def distance_of(distance: str, model: nn.Module, logits: Tensor, batch: Any = None, told: Told | None = None) -> str:
    """The distance that "auto" means.

    ``config.problem_type`` decides; else one output means squared error; else the batch's labels decide. Class numbers mean
    KL. Labels with the shape of the logits mean its Bernoulli form if they are 0 or 1, and squared error if some are outside
    [0, 1]. Without any of these it is KL.

    Args:
        distance: One of ``DISTANCES``.
        model: Its config is read.
        logits: (batch, outputs) or (batch, seq, outputs).
        batch: A mapping with labels, or a tuple.
        told: What labels decided before; it is used before labels are read again, and filled.

    Raises:
        AttackError: The labels do not decide it.
    """
    if distance != "auto":
        return distance
    problem: Any = getattr(getattr(unwrapped(model), "config", None), "problem_type", None)
    if problem in PROBLEMS:
        return PROBLEMS[problem]
    if logits.shape[-1] == 1:
        return "mse"
    told = {} if told is None else told
    labels = labels_in(batch, logits)
    if labels is None:
        return next((name for (outputs, _), name in told.items() if outputs == logits.shape[-1]), "kl")
    if labels.shape != logits.shape and not labels.is_floating_point():
        return "kl"
    key = (logits.shape[-1], labels.dtype)
    if key not in told:
        told[key] = distance_by(labels, logits)
    return told[key]


def labels_in(batch: Any, logits: Tensor) -> Tensor | None:
    """The labels: by name in a mapping, else a tensor of numbers with the logits' shape; None if there are none."""
    if isinstance(batch, Mapping):
        named = [value for name, value in batch.items() if name in LABELS]
        others = list(batch.values())
    else:
        named, others = [], list(batch) if isinstance(batch, tuple | list) else []
    found = [value for value in named if isinstance(value, Tensor)]
    found += [one for one in others if isinstance(one, Tensor) and one.is_floating_point() and one.shape == logits.shape]
    return found[0] if found else None


def distance_by(labels: Tensor, logits: Tensor) -> str:
    """The distance for labels with the logits' shape, from their values; -100 is left out.

    Raises:
        AttackError: The values fit several distances.
    """
    if labels.shape == logits.shape:
        values, counts = labels.float(), labels != IGNORED
        whole = ((values == 0) | (values == 1) | ~counts).all()
        outside = (((values < 0) | (values > 1)) & counts).any()
        single = ((values * counts).sum(-1) == 1).all()
        if outside or (whole and not single):
            return "mse" if outside else "bernoulli"
    raise AttackError(
        f"labels {tuple(labels.shape)} and logits {tuple(logits.shape)} do not say how to compare predictions: "
        'set distance="kl" (one class), "bernoulli" (several labels) or "mse" (numbers)'
    )


def divergence(target: Tensor, logits: Tensor, distance: str, mask: Tensor | None = None) -> Tensor:
    """``KL(target || logits)``, or the mean squared difference for "mse"; 0 (up to rounding) if they are equal.

    Args:
        target: Logits (batch, outputs) or, with one prediction for each token, (batch, seq, outputs).
        logits: Of the same shape.
        distance: "kl" (one label), "bernoulli" (several labels) or "mse" (regression).
        mask: 1.0 where predictions count, as ``scored`` returns it.

    Returns:
        The mean over texts (over the tokens that count), shape ().
    """
    if distance == "mse":
        rows = (target - logits).square().mean(-1)
    elif distance == "bernoulli":
        p, counts = target.sigmoid(), labels_of(mask, logits)
        rows = (p * (F.logsigmoid(target) - F.logsigmoid(logits)) * counts).sum(-1)
        rows = rows + ((1 - p) * (F.logsigmoid(-target) - F.logsigmoid(-logits)) * counts).sum(-1)
    else:
        p = F.log_softmax(target, -1)
        rows = (p.exp() * (p - F.log_softmax(logits, -1))).sum(-1)
    return mean_of(rows, mask)


def scored(mask: Tensor, logits: Tensor, batch: Any, model: nn.Module, distance: str) -> Tensor:
    """Where predictions count: wherever a label is not -100, as the others are neither trained nor used.

    So a divergence is a mean over the same predictions as the loss beside it. Without labels, for numbers (of which -100
    may be one), and where a causal language model moves its labels by one, every token counts that ``mask`` has.

    Args:
        mask: 1.0 at real tokens (batch, seq, 1).
        logits: Of any shape.
        batch: A mapping with labels, or a tuple.
        model: Its class says whether it moves its labels.
        distance: "kl", "bernoulli" or "mse".

    Returns:
        1.0 where predictions count: (batch, 1), (batch, seq, 1) or, for several labels, the shape of the logits.
    """
    labels = labels_in(batch, logits)
    if labels is None or distance == "mse" or NEXT.search(type(unwrapped(model)).__name__):
        return mask
    counts = (labels != IGNORED).to(logits.device, torch.float32)
    if distance == "bernoulli" and labels.shape == logits.shape:
        return counts
    classes = labels.shape == logits.shape[:-1] and not labels.is_floating_point()
    return counts.unsqueeze(-1) if classes else mask


def labels_of(mask: Tensor | None, logits: Tensor) -> Tensor | float:
    """The mask for each of several labels; 1 if it is for whole predictions."""
    return mask if mask is not None and mask.shape == logits.shape else 1.0


def mean_of(rows: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over predictions (batch,) or (batch, seq), where the mask (..., 1) is 1, or (..., outputs) is 1 somewhere."""
    if mask is not None and rows.shape == mask.shape[:-1]:
        counts = mask.amax(-1)
        return (rows * counts).sum() / counts.sum().clamp_min(1)
    return rows.mean()


def symmetric(one: Tensor, other: Tensor, distance: str, mask: Tensor | None = None) -> Tensor:
    """``KL(one || other) + KL(other || one)``; for "mse" the squared difference, once."""
    there = divergence(one, other, distance, mask)
    return there if distance == "mse" else there + divergence(other, one, distance, mask)


def detached_pair(one: Tensor, other: Tensor, distance: str, mask: Tensor | None = None) -> Tensor:
    """``KL(one' || other) + KL(other' || one)``: each side moves towards the other, and a side with a dash is held fixed.

    The value is that of ``symmetric``; near equality the gradient is half as large. For "mse" the value is twice the
    squared difference, with the gradient of one. Both terms together are ``sum (q - p)' (log q - log p)``. The gradient of
    this sum is exactly 0 where predictions are equal; computed one by one, the terms would leave rounding errors.
    """
    if distance == "mse":
        gap, apart = other - one, (other - one) * (2 / one.shape[-1])
    elif distance == "bernoulli":
        gap, apart = (other.sigmoid() - one.sigmoid()) * labels_of(mask, one), other - one
    else:
        p, q = F.log_softmax(one, -1), F.log_softmax(other, -1)
        gap, apart = q.exp() - p.exp(), q - p
    return mean_of((gap.detach() * apart).sum(-1), mask)
