"""The control for embeddings: FGM's place and norm, in a random direction. A method that does not beat it is noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adv.core.ball import Ball
from adv.core.passes import Passes
from adv.core.settings import NORMS, setting
from adv.steps.embedding import EmbeddingMethod


@dataclass(kw_only=True)
class RandomDirection(EmbeddingMethod):
    """``delta = epsilon * z / ||z||_2`` with z standard normal; passes and combination as in FGM."""

    paper: ClassVar[str] = "control"
    control: ClassVar[bool] = True

    norm: str = setting("matrix", "where the norm is taken", choices=NORMS)

    @property
    def geometry(self) -> str:
        return self.norm

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        direction = ball.unit(passes.normal(shift.shape, self.draw()))
        return self.epsilon * direction, torch.zeros((), device=shift.device)
