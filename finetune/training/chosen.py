"""Which weights of a run are scored and saved: the last ones, those of its best evaluation, or the mean of the best three.

The mean is a "soup" of checkpoints of one run, after model soups (Wortsman et al. 2022, arXiv 2203.05482), which average
several runs; AutoMM takes three checkpoints of one run, as here. All three count equally. A greedy soup, which adds a
checkpoint only if the validation metric rises, would choose once more on the rows that the value is measured on.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from finetune.config import Recipe

# How many evaluations' weights each score keeps.
KEPT = {"last": 0, "best": 1, "soup": 3}


class Weights(NamedTuple):
    """An evaluation that is among the best so far: its rank, the lower the better, and the weights that it measured."""

    rank: tuple[float, int]
    tensors: list[Tensor]

    @property
    def number(self) -> int:
        """The number of the evaluation."""
        return self.rank[1]


class Chosen:
    """Keeps the weights of the best evaluations so far, on the CPU; for ``score="last"`` it keeps nothing.

    Of equal evaluations the earlier counts as better, and one whose metric is not a number as the worst.

    Args:
        live: The model's parameters and floating-point buffers; changed in place only.
        recipe: For ``score``.
        maximize: Whether a higher value is better.
    """

    def __init__(self, live: dict[str, Tensor], recipe: Recipe, maximize: bool) -> None:
        self.live, self.most, self.sign = live, KEPT[recipe.score], -1.0 if maximize else 1.0
        self.kept: list[Weights] = []

    @property
    def numbers(self) -> tuple[int, ...]:
        """The evaluations whose weights are kept, in the order of the run."""
        return tuple(sorted(weights.number for weights in self.kept))

    def offer(self, number: int, value: float) -> None:
        """Keep the model's weights as they are, if their evaluation is among the best so far."""
        rank = (self.sign * value if math.isfinite(value) else math.inf, number)
        if not self.most or (len(self.kept) == self.most and rank > self.kept[-1].rank):
            return
        tensors = [value.detach().to("cpu", copy=True) for value in self.live.values()]
        self.kept = sorted([*self.kept, Weights(rank, tensors)], key=lambda weights: weights.rank)[: self.most]

    @contextmanager
    @torch.no_grad()
    def swapped(self) -> Iterator[None]:
        """Inside the context, the model's weights are the mean of the kept ones, if any; afterwards its own again."""
        ordered = sorted(self.kept, key=lambda weights: weights.number)
        own = [value.clone() for value in self.live.values()]
        try:
            for place, weights in enumerate(ordered):
                for value, tensor in zip(self.live.values(), weights.tensors, strict=True):
                    # A running mean leaves weights that never change (frozen ones) as they are, bit for bit.
                    there = tensor.to(value.device)
                    value.copy_(torch.lerp(value, there, 1 / (place + 1)) if place else there)
            yield
        finally:
            for value, before in zip(self.live.values(), own, strict=True):
                value.copy_(before)

    def state_dict(self) -> dict[str, Tensor]:
        """The kept weights, for a snapshot."""
        return {
            f"{place}.{name}": tensor
            for place, weights in enumerate(self.kept)
            for name, tensor in zip(self.live, weights.tensors, strict=True)
        }

    def facts(self) -> dict[str, Any]:
        """What a snapshot says about them; nothing if nothing is kept."""
        return {"chosen": [weights.rank for weights in self.kept]} if self.most else {}

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Load what ``state_dict`` and ``facts`` returned."""
        ranks = [(float(rank), int(number)) for rank, number in facts.get("chosen", [])]
        self.kept = [
            Weights(rank, [tensors[f"{place}.{name}"].clone() for name in self.live]) for place, rank in enumerate(ranks)
        ]
