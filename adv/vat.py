"""VAT: Miyato et al. 2017, "Virtual Adversarial Training", eq. 5-8; ALUM: Liu et al. 2020, its token-wise form."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adv.core.ball import Ball, largest
from adv.core.divergence import detached_pair, divergence
from adv.core.passes import Passes, read_loss
from adv.core.settings import AttackError, setting
from adv.steps.regularised import RegularisedMethod


@dataclass(kw_only=True)
class VAT(RegularisedMethod):
    """The direction in which predictions change most, found without labels: ``J + reg_weight * KL(f(e) || f(e + r))``.

    ``d`` is normal noise; K times ``d <- grad KL(f(e) || f(e + xi * d / ||d||))``; then ``r = epsilon * d / ||d||``.
    ``form="vat"`` takes lengths over a text and holds f(e) fixed. ``form="alum"`` takes the largest entry of each token
    (so ``epsilon`` is per entry) and pulls both predictions towards each other; its perturbed pass gives the embedding
    matrix no gradient. With ``unlabelled`` a batch may have no labels: it then trains only R.
    """

    paper: ClassVar[str] = "Miyato et al. 2017"

    epsilon: float = setting(1.0, "radius: length of the perturbation", low=0)
    xi: float = setting(0.01, "length at which the divergence is differentiated", low=0)
    K: int = setting(1, "power iterations; 0 is a random direction", low=0)
    form: str = setting("vat", "VAT, or ALUM's token-wise form", choices=("vat", "alum"))
    unlabelled: bool = setting(False, "batches without labels train only the regulariser")

    @property
    def geometry(self) -> str:
        return "example" if self.form == "vat" else "token"

    @property
    def detached(self) -> bool:  # type: ignore[override]
        """Whether the perturbed pass gives the embedding matrix no gradient, as in ALUM."""
        return self.form == "alum"

    @property
    def idle(self) -> dict[str, str]:
        return {} if self.K else {"xi": "K=0"}

    @property
    def steps(self) -> int:
        return self.K

    def unit(self, direction: Tensor, ball: Ball) -> Tensor:
        """The direction (batch, seq, hidden) at length 1, with 0 at padding."""
        return ball.unit(direction) if self.form == "vat" else largest(direction * ball.mask)

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        self._left = self.K
        noise = self.unit(passes.normal(output.shape, self.draw()), ball)
        return (self.xi if self.K else self.epsilon) * noise

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        self._left -= 1
        size = self.xi if self._left else self.epsilon
        return size * self.unit(gradient, ball), torch.zeros((), device=shift.device)

    def penalty(self, logits: Tensor, moved: Tensor, distance: str, mask: Tensor) -> Tensor:
        if self.form == "alum":
            return detached_pair(logits, moved, distance, mask)
        return divergence(logits.detach(), moved, distance, mask)

    def supervised(self, output: Any) -> Tensor | None:
        try:
            return read_loss(output)
        except AttackError:
            if not self.unlabelled:
                raise
            return None
