"""The control for weights: AWP's weights, step and box, in a random direction."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adv.awp import AWP
from adv.core.limits import Limit, in_box
from adv.core.method import Cost
from adv.core.passes import Passes
from adv.core.settings import setting
from adv.core.weights import Weights


@dataclass(kw_only=True)
class RandomWeights(AWP):
    """AWP along standard normal numbers, for the same tensors and the same rows of the embedding matrix.

    The numbers for a word add up over its places, as gradients do: a word that occurs n times in the batch moves sqrt(n) as
    far.
    """

    paper: ClassVar[str] = "control"
    control: ClassVar[bool] = True

    direction: str = setting("random", "what weights move along", choices=("random",))

    def cost(self) -> Cost:
        plain = super().cost()
        return plain._replace(backward=1 + (self.combine != "replace") / self.every)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_box(clipped)

    def slopes(self, loss: Tensor, moved: list[Tensor], joined: list[Tensor], passes: Passes) -> list[Tensor | None]:
        gradients = super().slopes(loss, [], joined, passes)
        return [*(passes.normal(tensor.shape, self.draw()) for tensor in moved), *gradients]

    def move(self, weights: Weights, gradients: list[Tensor | None], unit: Tensor) -> None:
        super().move(weights, gradients, torch.ones_like(unit))
