"""R3F: Aghajanyan et al. 2021, "Better Fine-Tuning by Reducing Representational Collapse", section 3.1."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from adv.core.ball import Ball
from adv.core.passes import Passes
from adv.core.settings import setting
from adv.steps.regularised import RegularisedMethod


@dataclass(kw_only=True)
class R3F(RegularisedMethod):
    """Predictions should not change with noise: ``J + reg_weight * (KL(f(e) || f(e + z)) + KL(f(e + z) || f(e)))``.

    z is uniform in (-sigma, sigma) or normal with deviation sigma; no ascent. Both predictions have gradients. The noisy
    pass gives the embedding matrix no gradient. Without ``same_dropout`` and with a small sigma, the dropout masks decide
    the divergence: that is R-Drop.
    """

    paper: ClassVar[str] = "Aghajanyan et al. 2021"
    detached: ClassVar[bool] = True

    sigma: float = setting(1e-5, "noise size, per entry of the embedding", low=0)
    noise: str = setting("uniform", "distribution of the noise", choices=("uniform", "normal"))

    def rival(self) -> None:
        return None  # its noise has no direction to replace

    @property
    def steps(self) -> int:
        return 0

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        draw = passes.uniform if self.noise == "uniform" else passes.normal
        return self.sigma * draw(output.shape, self.draw()) * ball.mask
