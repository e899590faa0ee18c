"""FreeLB: Zhu et al. 2020, "FreeLB: Enhanced Adversarial Training for Natural Language Understanding", Algorithm 1."""

from dataclasses import dataclass
from typing import ClassVar

from adv.core.limits import Limit, Reach, in_ball, walked
from adv.core.settings import setting
from adv.steps.accumulating import AccumulatingMethod


@dataclass(kw_only=True)
class FreeLB(AccumulatingMethod):
    """K passes from a random start; ``delta <- Pi(delta + alpha * g / ||g||_2)`` between them, one optimiser step.

    The authors' names: alpha is adv_lr, K is adv_steps, epsilon is max_norm. Their max_norm 0 means no ball; here any radius
    above init_mag / sqrt(3) + (K - 1) * alpha does the same. The start is kept in the ball too. With ``init_mag=0`` the
    first pass is the clean one; ``K=1`` is NEFTune.
    """

    paper: ClassVar[str] = "Zhu et al. 2020"

    # The authors' values for RTE.
    epsilon: float = setting(0.14, "radius of the ball around the clean embedding", low=0)
    alpha: float = setting(0.06, "length of one ascent step", low=0)
    init_mag: float = setting(0.16, "length of the random start: delta_0 has about init_mag / sqrt(3)", low=0)

    def reach(self) -> Reach:
        return walked(self, self.K - 1)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)
