"""The learning rate over a run, as a share of its peak. Every parameter group has a peak of its own."""

import math

import torch

from finetune.config import Recipe


def set_rates(optimiser: torch.optim.Optimizer, position: float, steps: int, recipe: Recipe) -> None:
    """Give every group its peak rate (``initial_lr``, torch's name for it) times the share at ``position`` of ``steps``."""
    share = share_of_peak(position, steps, recipe)
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * share


def share_of_peak(position: float, steps: int, recipe: Recipe) -> float:
    """The share at ``position`` of ``steps``: the schedule's, or SWA's constant one once SWA averages.

    While the rate falls to zero, the points to average are almost the same, so SWA uses a constant rate
    (Izmailov et al. 2018). As in the paper it is a separate setting, and may be above the schedule's rate at that point.
    """
    if recipe.average == "swa" and position >= swa_begins(steps, recipe):
        return recipe.swa_lr
    return schedule(position, steps, recipe.warmup, recipe.schedule)


def schedule(position: float, steps: int, warmup: float, shape: str = "linear") -> float:
    """Linear up over the share ``warmup`` of the steps, and then down as the shape says.

    The first step already has a rate: ``(position + 1) / rise``, where transformers begins with a step at rate 0. Behind the
    warmup, linear and cosine (half a wave, down to 0) are those of transformers.

    Args:
        position: 0-based, in optimiser steps; may be a fraction.
        steps: Optimiser steps of the run.
        warmup: Share of the steps.
        shape: "linear", "cosine" or "constant".

    Example:
        >>> [round(schedule(position, 6, 1 / 3, "cosine"), 3) for position in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    rise = round(steps * warmup)
    if position < rise:
        return min(1.0, (position + 1) / rise)
    if shape == "constant":
        return 1.0
    rest = max(1, steps - rise)
    if shape == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (position - rise) / rest))
    return (steps - position) / rest


def swa_begins(steps: int, recipe: Recipe) -> int:
    """The first step that SWA averages; never later than the last step."""
    return min(round(steps * recipe.swa_start), steps - 1)
