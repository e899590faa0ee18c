"""Averages of the weights over a run, for scoring and saving: exponential (EMA) or equal (SWA).

The mean of a stochastic optimiser's iterates has less noise than the last iterate (Polyak and Juditsky 1992).
EMA forgets with a half-life (Tarvainen and Valpola 2017); SWA weighs all steps of the last part of a run equally, at a
learning rate that stays high (Izmailov et al. 2018). The arithmetic is that of ``torch.optim.swa_utils``. Its
``AveragedModel`` is not used: it is a second module, but scoring and saving need the module that is trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from finetune.config import Recipe
from finetune.training.schedules import swa_begins


class Average:
    """The mean of a model's weights over the steps of a run, as ``recipe.average`` says; "none" does nothing.

    Parameters and floating-point buffers are averaged, frozen ones too, in case they thaw. The statistics of a BatchNorm
    are averaged with the rest: estimating them again would take one more pass over the data.

    EMA: ``s <- beta s + (1 - beta) w``, ``beta = 0.5 ** (1 / (half_life * steps))``: what a step contributed has halved
    after the share ``half_life`` of the run, however long the run is. After n updates beta is at most
    ``(1 + n) / (10 + n)``, so the initial head and the first steps are soon forgotten. SWA: the mean of the weights after
    every step from ``swa_start`` on; every step and not every epoch, because fine-tuning has few epochs.

    Args:
        model: The model; later its tensors may only be changed in place.
        recipe: For ``average``, ``half_life`` and ``swa_start``.
        steps: Optimiser steps of the run.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, steps: int) -> None:
        self.kind, self.begins = recipe.average, swa_begins(steps, recipe) if recipe.average == "swa" else 0
        self.beta = 0.5 ** (1 / (recipe.half_life * steps))
        named = (*model.named_parameters(), *model.named_buffers())
        self.live = {name: value for name, value in named if value.is_floating_point()}
        self.mean: list[Tensor] = []
        self.count = 0

    def update(self, position: float) -> None:
        """Add the weights as they are after the optimiser step at ``position`` (``finetune.training.steps.Step``)."""
        if self.kind == "none" or position < self.begins:
            return
        live = [value.detach() for value in self.live.values()]
        if not self.count:
            self.mean = [value.clone() for value in live]
        elif self.kind == "ema":
            beta = min(self.beta, (1 + self.count) / (10 + self.count))
            get_ema_multi_avg_fn(beta)(self.mean, live, self.count)  # type: ignore[no-untyped-call]
        else:
            get_swa_multi_avg_fn()(self.mean, live, self.count)  # type: ignore[no-untyped-call]
        self.count += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and mean, in place and bit for bit: twice changes nothing. Without a mean, does nothing."""
        if self.count:
            for value, mean in zip(self.live.values(), self.mean, strict=True):
                spare = value.clone()
                value.copy_(mean)
                mean.copy_(spare)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside the context, the model's weights are the mean; afterwards its own again, even after an error."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed run needs; empty if nothing was averaged yet."""
        if not self.count:
            return {}
        means = {f"mean.{name}": mean for name, mean in zip(self.live, self.mean, strict=True)}
        return means | {"count": torch.tensor(self.count)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load what ``state_dict`` returned."""
        self.count = int(state["count"]) if state else 0
        self.mean = [state[f"mean.{name}"].to(value.device, copy=True) for name, value in self.live.items() if state]
