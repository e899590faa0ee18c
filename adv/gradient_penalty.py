"""Gradient penalty: Ross, Doshi-Velez 2018, "Improving the Adversarial Robustness ... by Regularizing ... Gradients"."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from adv.core.ball import Ball
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model, gradients_of
from adv.core.precision import FP32, Precision
from adv.core.settings import setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.site import SiteMethod, first, grad_of


@dataclass(kw_only=True)
class GradientPenalty(SiteMethod):
    """``J + reg_weight / 2 * mean_i ||dJ_i / de_i||_2^2`` with a true second derivative.

    J_i is the loss of text i. ``norm="matrix"`` penalises the gradient of the embedding matrix instead, which depends on the
    batch. The model runs with attention kernels that can be differentiated twice. An inner gradient that is not finite makes
    the gradients of the step not finite too (there is no perturbation to leave out), and is counted.
    """

    paper: ClassVar[str] = "Ross and Doshi-Velez 2018"
    null: ClassVar[tuple[dict[str, Any], ...]] = ({"reg_weight": 0.0},)

    reg_weight: float = setting(1.0, "weight of the penalty", low=0)
    norm: str = setting("example", "where the norm is taken", choices=("example", "matrix"))

    def rival(self) -> None:
        return None  # nothing is perturbed

    @property
    def geometry(self) -> str:
        return self.norm

    def cost(self) -> Cost:
        return Cost(1, 1, 1, second=1)

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        embedding = find_embedding(model, self.emb_name)
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes, sdpa_kernel(SDPBackend.MATH):
            with shifted_embeddings(embedding) as site:
                loss = passes.loss()
            (slope,) = gradients_of(passes.scale(loss), [first(site)], create_graph=True)
            unit = passes.unit()
            slope = grad_of(slope).float() / torch.where(unit > 0, unit, 1.0)
            penalty = self.penalty(slope, self.ball(passes, site.ids[0]))
            objective = loss + self.reg_weight / 2 * penalty
            passes.scale(objective).backward()  # type: ignore[no-untyped-call]
        finite = torch.isfinite(penalty.detach())
        self.record(gap=(objective - loss).masked_fill(~finite, 0), nonfinite=~finite)
        return objective.detach()

    def penalty(self, slope: Tensor, ball: Ball) -> Tensor:
        """The mean squared length, shape (), from the gradients (batch, seq, hidden) of the mean loss."""
        squares = ball.tie(slope).square().sum(-1, keepdim=True)
        if self.norm == "matrix":
            return ball.total(squares).sum()
        # The loss is a mean over the texts, so the gradient of a text's own loss is that many times as large.
        return squares.sum() * slope.shape[1 - ball.text_axis]
