"""ASAM: Kwon et al. 2021, "ASAM: Adaptive Sharpness-Aware Minimization", eq. 5-7, element-wise."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from adv.core.settings import setting
from adv.core.weights import Weights
from adv.sam import SAM


@dataclass(kw_only=True)
class ASAM(SAM):
    """SAM measured against each weight: ``rho * T^2 g / ||T g||_2``, ``T = |w| + eta`` for weights and 1 for biases.

    Scaling the layers of a network against each other does not change the perturbation.
    """

    paper: ClassVar[str] = "Kwon et al. 2021"

    rho: float = setting(0.5, "radius: length of the step over all weights together, each divided by its T", low=0)
    eta: float = setting(0.01, "floor of a weight's magnitude", low=0)

    def touched(self, model: nn.Module) -> dict[str, nn.Parameter]:
        found = super().touched(model)
        self._weights = {id(p) for name, p in found.items() if "weight" in name}
        return found

    def stretch(self, weights: Weights, tensors: list[Tensor], shifts: list[Tensor]) -> None:
        # Rows of the embedding matrix come last.
        scaled = [*(id(p) in self._weights for p in weights.live), True][: len(tensors)]
        for tensor, shift, mine in zip(tensors, shifts, scaled, strict=True):
            if mine:
                shift.mul_(tensor.abs().add_(self.eta))
