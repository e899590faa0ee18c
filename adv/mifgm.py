"""MI-FGSM on embeddings: Dong et al. 2018, "Boosting Adversarial Attacks with Momentum", Algorithm 1."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adv.core.ball import TINY, Ball
from adv.core.limits import Limit, Reach, in_ball, walked
from adv.core.passes import Passes
from adv.core.settings import setting
from adv.pgd import PGD


@dataclass(kw_only=True)
class MIFGM(PGD):
    """PGD along a running direction: ``v <- mu * v + g / ||g||_1``, ``delta <- Pi(delta + alpha * v / ||v||_2)``.

    v starts at zero in every training step. The paper moves by ``sign(v)`` in an L-infinity ball; on embeddings the L2 form
    is the usual one, and ``mu=0`` is exactly PGD.
    """

    paper: ClassVar[str] = "Dong et al. 2018"

    alpha: float = setting(1 / 3, "length of one ascent step; the paper's is epsilon / K", low=0)
    mu: float = setting(1.0, "momentum of the direction", low=0)

    @property
    def idle(self) -> dict[str, str]:
        return {} if self.K > 1 else {"mu": "K=1"}

    def reach(self) -> Reach:
        return walked(self, self.steps)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        shift = super().start(output, ball, passes)
        passes.kept["velocity"] = torch.zeros_like(shift)
        return shift

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        if not self.mu:  # PGD bit for bit: dividing by the size would round
            return super().ascend(shift, gradient, ball, passes)
        size = ball.total(ball.tie(gradient).abs().sum(-1, keepdim=True))
        share = torch.where(size > 0, gradient.float() / size.clamp_min(TINY), torch.zeros_like(shift))
        passes.kept["velocity"] = self.mu * passes.kept["velocity"] + share
        return super().ascend(shift, passes.kept["velocity"], ball, passes)
