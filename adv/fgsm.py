"""FGSM: Goodfellow, Shlens, Szegedy 2015, "Explaining and Harnessing Adversarial Examples", section 4."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adv.core.ball import Ball
from adv.core.passes import Passes
from adv.core.settings import setting
from adv.steps.embedding import EmbeddingMethod


@dataclass(kw_only=True)
class FGSM(EmbeddingMethod):
    """``delta = epsilon * sign(dJ/de)`` at every real token. ``epsilon`` is elementwise (L-infinity)."""

    paper: ClassVar[str] = "Goodfellow et al. 2015"

    epsilon: float = setting(0.01, "elementwise size of the step on the embedding", low=0)

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        return self.epsilon * ball.tie(gradient).sign(), torch.zeros((), device=shift.device)
