"""SAM: Foret et al. 2021, "Sharpness-Aware Minimization for Efficiently Improving Generalization", eq. 2 and 3."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adv.core.ball import TINY
from adv.core.settings import setting
from adv.core.weights import Weights
from adv.steps.weights import WeightMethod


@dataclass(kw_only=True)
class SAM(WeightMethod):
    """All weights move by ``rho * g / ||g||_2``, one norm over all of them; the gradient there replaces the clean one."""

    paper: ClassVar[str] = "Foret et al. 2021"
    null: ClassVar[tuple[dict[str, Any], ...]] = ({"rho": 0.0},)

    rho: float = setting(0.05, "radius: length of the step over all weights together", low=0)
    adv_param: str = setting("", "which weights: regular expression on their names (empty: all)", pattern=True)

    def stretch(self, weights: Weights, tensors: list[Tensor], shifts: list[Tensor]) -> None:
        """Multiply ``shifts`` by T, the measure of each weight, in place; 1 here."""

    def move(self, weights: Weights, gradients: list[Tensor | None], unit: Tensor) -> None:
        def rule(tensors: list[Tensor], shifts: list[Tensor]) -> None:
            self.stretch(weights, tensors, shifts)
            length = torch.stack(weights.lengths(shifts)).norm()
            torch._foreach_mul_(shifts, self.rho / length.clamp_min(TINY))
            self.stretch(weights, tensors, shifts)

        weights.move(gradients, rule)
