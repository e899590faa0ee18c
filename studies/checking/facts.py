"""One attacked step next to a clean one, made in the same way as in training."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from adv import AttackError, Clean, Method
from adv.core.ball import TINY
from finetune.config import Recipe
from finetune.training.groups import adamw
from finetune.training.schedules import set_rates
from studies.checking.probe import Bed, Observer, Outcome

# From 65536, the scaler's first scale, down to 1.
HALVINGS = 16


@dataclass(frozen=True)
class Facts:
    """One attacked step next to a clean one.

    Args:
        model: The model that was tried.
        method: The method with its settings.
        epochs: Number of epochs in the recipe.
        observer: What was touched.
        clean: The clean step.
        attacked: The attacked step.
        measured: The method's diagnostics of that step.
        halvings: How often the loss scale was halved before both steps were finite.
    """

    model: nn.Module
    method: Method
    epochs: int
    observer: Observer
    clean: Outcome
    attacked: Outcome
    measured: dict[str, float]
    halvings: int = 0

    @property
    def relative(self) -> float | None:
        """Relative size of the perturbation, as the method measured it or else as observed; None if neither is known."""
        return self.measured.get("relative", self.observer.relative or None)

    @property
    def gap(self) -> float | None:
        """The loss under attack minus the clean loss; None if no pass saw a perturbation."""
        return None if self.observer.under is None else self.observer.under - self.clean.objective

    @property
    def cosine(self) -> float:
        """Between the clean and the attacked gradient."""
        clean, attacked = self.clean.gradients, self.attacked.gradients
        dot = sum(float((clean[name] * attacked[name]).sum()) for name in clean.keys() & attacked.keys())
        return dot / max(self.clean.norm * self.attacked.norm, TINY)


def gather(bed: Bed, build: Callable[[], Method], recipe: Recipe, steps: int) -> Facts:
    """Make both steps.

    Methods keep state (momentum, noise from earlier steps, a teacher), so a first round is run and not looked at.

    Args:
        bed: Model, batch and precision.
        build: Makes the method.
        recipe: The recipe of the run.
        steps: Optimiser steps of the run.

    Raises:
        AttackError: The method does not work with this model, or all parameters are frozen.
    """
    parameters = list(bed.model.parameters())
    if not any(p.requires_grad for p in parameters):
        raise AttackError(f"all {len(parameters)} parameters are frozen: nothing trains")
    halvings, optimiser = settle(bed, Clean()), None
    if type(build()).follow is not Method.follow:
        optimiser = followed(bed, recipe, steps)
    halvings += settle(bed, started(build(), optimiser))
    method = started(build(), optimiser)
    for _ in range(max(1, method.replays - 1)):  # the last replay has moved farthest
        bed.run(method)
    method.after_step(bed.model)
    method.diagnostics()
    scaled = bed.precision.scaler is not None
    observer = Observer(bed.model, float(bed.unit) if scaled else None, bed.forward)
    attacked = bed.outcome(method, observer.forward)
    measured = method.diagnostics()
    return Facts(bed.model, method, recipe.epochs, observer, bed.outcome(Clean()), attacked, measured, halvings)


def started(method: Method, optimiser: torch.optim.Optimizer | None) -> Method:
    """The method, after it was given its optimiser."""
    if optimiser is not None:
        method.follow(optimiser)
    return method


def settle(bed: Bed, method: Method) -> int:
    """Halve the loss scale until the step is finite, as the scaler does early in a run; return how often."""
    scaler, halvings = bed.precision.scaler, 0
    while scaler is not None and halvings < HALVINGS and not math.isfinite(bed.outcome(method).norm):
        scaler.update(scaler.get_scale() * scaler.get_backoff_factor())
        halvings += 1
    return halvings


def followed(bed: Bed, recipe: Recipe, steps: int) -> torch.optim.Optimizer:
    """The optimiser after one clean step: some methods read its state, which is empty before."""
    optimiser = adamw(bed.model, recipe)
    set_rates(optimiser, 0, steps, recipe)
    bed.run(Clean())
    unit = bed.unit
    for p in bed.model.parameters():
        if p.grad is not None:
            p.grad.div_(unit)
    torch.nn.utils.clip_grad_norm_(bed.model.parameters(), recipe.max_grad_norm)
    optimiser.step()
    return optimiser
