"""FGM: Miyato, Dai, Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text Classification"."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adv.core.ball import Ball
from adv.core.passes import Passes
from adv.core.settings import NORMS, setting
from adv.steps.embedding import EmbeddingMethod


@dataclass(kw_only=True)
class FGM(EmbeddingMethod):
    """``delta = epsilon * g / ||g||_2`` with g the gradient of the loss at the clean embedding.

    ``norm="matrix"`` with ``combine="sum"`` is the listing that people copy (one budget for the batch);
    ``norm="example"`` is the paper's.
    """

    paper: ClassVar[str] = "Miyato et al. 2017"

    norm: str = setting("matrix", "where the norm is taken", choices=NORMS)

    @property
    def geometry(self) -> str:
        return self.norm

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        return self.epsilon * ball.unit(gradient), torch.zeros((), device=shift.device)
