"""NEFTune: Jain et al. 2023, "NEFTune: Noisy Embeddings Improve Instruction Finetuning", Algorithm 1."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model
from adv.core.precision import FP32, Precision
from adv.core.settings import setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.site import SiteMethod, first, grad_of


@dataclass(kw_only=True)
class NEFTune(SiteMethod):
    """One pass at ``e + U(-1, 1) * sigma / sqrt(L * d)``, with L the text's own length: noise at the cost of a clean step.

    ``sigma`` is the paper's alpha. Padding gets no noise and does not count in L (the version of transformers perturbs it
    and counts it).
    """

    paper: ClassVar[str] = "Jain et al. 2023"
    null: ClassVar[tuple[dict[str, Any], ...]] = ({"sigma": 0.0},)

    sigma: float = setting(5.0, "noise size: a text's noise has a length of about sigma / sqrt(3)", low=0)

    def rival(self) -> None:
        return None  # noise has no direction to replace

    @property
    def geometry(self) -> str:
        return "example"

    def cost(self) -> Cost:
        return Cost(1, 1)

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        balls: list[Ball] = []
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:

            def noise(ids: Tensor, output: Tensor) -> Tensor:
                balls.append(self.ball(passes, ids))
                shift = self.scattered(self.sigma, output, balls[0], passes)
                self.refuse_swallowed(output, shift)
                return shift

            with shifted_embeddings(find_embedding(model, self.emb_name), noise) as site:
                loss = passes.loss()
                passes.scale(loss).backward()  # type: ignore[no-untyped-call]
                grad_of(first(site).grad)
        self.report(balls[0], site.outputs[0], first(site).detach(), torch.ones_like(loss, dtype=torch.bool))
        return loss.detach()
