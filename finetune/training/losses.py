"""Losses that a recipe can ask for in place of the model's own, on the model's logits."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from adv.core.passes import Forward, call_model, read_logits
from finetune.arguments import Line, arg
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.tasks.kind import Kind
from finetune.tasks.task import Task
from finetune.words import listed

# The losses of each of transformers' problem types; the first is the model's own. The last takes shares from 0 to 1.
FITTING: dict[str, tuple[str, ...]] = {
    "single_label_classification": ("cross_entropy", "focal"),
    "multi_label_classification": ("bce", "focal"),
    "regression": ("mse", "smooth_l1", "bce"),
}
# A label that carries no loss.
IGNORED = -100
Loss = Callable[[Tensor, Tensor], Tensor]


def fitting(kind: Kind) -> tuple[str, ...]:
    """The losses that a kind can take, the model's own first. Classes that are trained as numbers are no shares."""
    known = FITTING[kind.problem]
    return tuple(name for name in known if name != "bce") if kind.problem == "regression" and kind.named else known


def loss_of(recipe: Recipe, kind: Kind) -> str:
    """The name of the loss, the kind's usual one if the recipe names none.

    Raises:
        UserError: The loss does not fit the kind, or settings of it would do nothing.
    """
    usual, *others = FITTING[kind.problem]
    if kind.named and "mse" in FITTING[kind.problem]:  # class numbers are no shares
        others.remove("bce")
    name = recipe.loss or usual
    if name not in (usual, *others):
        ways = listed([f"{usual} (the usual one)", *others], "or")
        raise UserError(f"{arg('loss', name)} does not fit {kind.name}, which takes {ways}")
    if recipe.label_smoothing and recipe.loss is None and name != "cross_entropy":
        what = f"{arg('label_smoothing', recipe.label_smoothing)} belongs to the loss cross_entropy"
        raise UserError(f"{what}, but that of {kind.name} is {name}; leave it out")
    if recipe.class_weights == "balanced" and kind.problem == "regression":
        what = f"the loss of {kind.name} takes numbers here, not classes"
        raise UserError(f"{arg('class_weights', 'balanced')}: {what}; leave it out")
    return name


def refuse_misfit(recipe: Recipe, kind: Kind, task: Task) -> None:
    """Refuse a loss that does not fit the labels, before a model is read.

    Raises:
        UserError: It does not fit the kind, or it takes only targets from 0 to 1 and there are others.
    """
    loss_of(recipe, kind)
    if not of_shares(recipe, kind):
        return
    for name, column in zip(task.names, task.train.labels.T, strict=True):
        low, high = column.min(), column.max()
        if low < 0 or high > 1:
            what = f"targets from 0 to 1, but those of {name} go from {low:.4g} to {high:.4g}"
            raise UserError(f"{arg('loss', 'bce')} needs {what}; scale them, or use {arg('loss', 'mse')} or smooth_l1")


def of_shares(recipe: Recipe, kind: Kind) -> bool:
    """Whether targets are shares from 0 to 1, which the model answers with log-odds."""
    return recipe.loss == "bce" and kind.problem == "regression" and not kind.named


def forward_of(recipe: Recipe, kind: Kind, labels: Tensor, outputs: int, device: torch.device) -> Forward:
    """How a training pass calls the model: as it is, with its own loss, or with the recipe's loss on its logits.

    Args:
        recipe: For ``loss``, ``label_smoothing``, ``class_weights`` and ``focal_gamma``.
        kind: The kind of task.
        labels: The train labels as the loss takes them; class weights are counted in them.
        outputs: How many outputs the model has.
        device: Where the model is.

    Raises:
        UserError: The loss does not fit the kind.
    """
    name, usual = loss_of(recipe, kind), fitting(kind)[0]
    smoothed = name == "cross_entropy" and recipe.label_smoothing > 0
    weighted = recipe.class_weights == "balanced"
    if name == usual and not smoothed and not weighted:
        return call_model
    weights = torch.tensor(balanced(labels, kind, outputs), device=device) if weighted else None
    loss = function_of(name, kind, recipe, weights)

    def forward(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        output = call_model(model, {key: value for key, value in batch.items() if key != "labels"})
        logits = read_logits(output)
        return {"loss": loss(logits, batch["labels"]), "logits": logits}

    return forward


def function_of(name: str, kind: Kind, recipe: Recipe, weights: Tensor | None) -> Loss:
    """The loss of logits (..., outputs) and labels: a mean over the rows (or tokens) that have a label, in fp32.

    Weights do not enter the number that is divided by: as a share of the rows of its optimiser step, every micro-batch then
    has the same say as in one large batch. ``torch.nn.functional.cross_entropy`` divides by the weights of its own batch.
    """
    single, shares = kind.problem == "single_label_classification", of_shares(recipe, kind)
    if name == "cross_entropy":
        return lambda logits, labels: cross_entropy(logits, labels, weights, recipe.label_smoothing)
    if name == "focal":
        one = focal_of_classes if single else focal_of_labels
        return lambda logits, labels: one(logits, labels, weights, recipe.focal_gamma)
    if name == "bce" and not shares:
        return lambda logits, labels: focal_of_labels(logits, labels, weights, 0.0)
    return F.binary_cross_entropy_with_logits if shares else F.smooth_l1_loss


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Cross entropy of logits (..., classes) and class numbers (...), with weights (classes,) and label smoothing."""
    rows, classes = logits.flatten(0, -2), labels.flatten()
    total = F.cross_entropy(rows, classes, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
    return total / (classes != IGNORED).sum().clamp_min(1)


def focal_of_classes(logits: Tensor, labels: Tensor, weights: Tensor | None, gamma: float) -> Tensor:
    """``-w (1 - p)^gamma log p`` with p the probability of the class (Lin et al. 2017, eq. 4 and 5).

    ``log (1 - p)`` comes from the other classes' logits: where p rounds to 1, the gradient stays finite.
    """
    counts = labels != IGNORED
    index = labels.clamp_min(0).unsqueeze(-1)
    whole = logits.logsumexp(-1)
    right = logits.gather(-1, index).squeeze(-1) - whole
    others = logits.scatter(-1, index, -torch.inf).logsumexp(-1) - whole
    losses = -(gamma * others).exp() * right * counts
    losses = losses if weights is None else losses * weights[index.squeeze(-1)]
    return losses.sum() / counts.sum().clamp_min(1)


def focal_of_labels(logits: Tensor, labels: Tensor, weights: Tensor | None, gamma: float) -> Tensor:
    """The same with p the probability of what each label is, there or not; gamma 0 is binary cross entropy.

    Args:
        logits: (..., outputs).
        labels: 0 or 1, of the same shape.
        weights: How much a label that is there counts (outputs,): torch's ``pos_weight``.
        gamma: Exponent of ``1 - p``.
    """
    counts = labels != IGNORED
    truth = labels.clamp_min(0).to(logits)
    positive = F.logsigmoid(logits) * (gamma * F.logsigmoid(-logits)).exp() * truth
    negative = F.logsigmoid(-logits) * (gamma * F.logsigmoid(logits)).exp() * (1 - truth)
    losses = -(positive if weights is None else positive * weights) - negative
    return (losses * counts).sum() / counts.sum().clamp_min(1)


def balanced(labels: Tensor, kind: Kind, outputs: int) -> NDArray[np.float32]:
    """Weights that make up for how often classes occur, (outputs,); 1 for a class without rows.

    Of classes, ``n / (k * count)`` as in scikit-learn, with k the classes that occur: their mean over the rows is 1. Of
    several labels, rows without the label divided by rows with it.
    """
    found = labels.numpy()
    if kind.problem == "single_label_classification":
        counts = np.bincount(found[found != IGNORED].ravel(), minlength=outputs)
        with np.errstate(divide="ignore"):
            weights = counts.sum() / ((counts > 0).sum() * counts)
    else:
        flat = found.reshape(-1, outputs)
        there, absent = (flat > 0).sum(0), (flat == 0).sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = absent / there
        weights[absent == 0] = 1
    return np.where(np.isfinite(weights), weights, 1).astype(np.float32)


def weights_told(recipe: Recipe, kind: Kind, labels: Tensor, names: Sequence[str]) -> list[Line]:
    """A line about class weights, if the recipe has any."""
    if recipe.class_weights == "none":
        return []
    weights = balanced(labels, kind, len(names))
    least, most = int(weights.argmin()), int(weights.argmax())
    single, steps = kind.problem == "single_label_classification", kind.name == "ordinal"
    what = "a row of a class" if single else "a row" if steps else "a label that is there"
    ends = f"from {weights[least]:.3g} ({names[least]}) to {weights[most]:.3g} ({names[most]})"
    return [Line(f"{arg('class_weights', 'balanced')}: {what} counts {ends}, by the train rows")]
