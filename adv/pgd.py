"""PGD on embeddings: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks", eq. 2.1 ff."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from adv.core.ball import Ball
from adv.core.limits import Limit, Reach, in_ball, walked
from adv.core.passes import Passes
from adv.core.settings import NORMS, setting
from adv.steps.embedding import EmbeddingMethod


@dataclass(kw_only=True)
class PGD(EmbeddingMethod):
    """K times ``delta <- Pi(delta + alpha * g / ||g||_2)``, with Pi onto the L2 ball of radius epsilon; delta starts at 0.

    The reach is K * alpha. If it is below epsilon (the defaults of the listing: 0.9 < 1), epsilon is idle.
    """

    paper: ClassVar[str] = "Madry et al. 2018"

    alpha: float = setting(0.3, "length of one ascent step", low=0)
    K: int = setting(3, "ascent steps", low=1)
    norm: str = setting("matrix", "where the norm is taken", choices=NORMS)

    @property
    def geometry(self) -> str:
        return self.norm

    @property
    def steps(self) -> int:
        return self.K

    def reach(self) -> Reach:
        return walked(self, self.steps)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        return ball.climb(shift, gradient, self.alpha, self.epsilon)
