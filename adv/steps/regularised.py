"""The step of smoothness regularisers: the loss of the clean text, and how far a perturbation moves the predictions."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.divergence import DISTANCES, Told, distance_of, divergence, scored, symmetric
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model, read_logits, read_loss
from adv.core.precision import FP32, Precision
from adv.core.settings import setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.site import SiteMethod, first, grad_of, inner_gradient


@dataclass(kw_only=True)
class RegularisedMethod(SiteMethod):
    """``J(e) + reg_weight * R``; R is the mean divergence of the predictions at e and at e + delta.

    The mean is over the texts, or over the tokens that have a label. delta starts from noise (at delta = 0 the divergence
    has no gradient) and takes ``steps`` ascent steps on ``KL(f(e) || f(e + delta))`` with f(e) held fixed; what the labels
    are is not used. ``distance="auto"`` is KL for classes, its
    Bernoulli form for several labels and squared error for regression; the model's config decides, else the labels.
    """

    null: ClassVar[tuple[dict[str, Any], ...]] = ({"reg_weight": 0.0},)
    # Whether the perturbed pass gives the embedding matrix no gradient.
    detached: ClassVar[bool] = False

    reg_weight: float = setting(1.0, "weight of the regulariser", low=0)
    distance: str = setting("auto", "how predictions are compared", choices=DISTANCES)

    @property
    def steps(self) -> int:
        """Ascent steps."""
        return 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._told: Told = {}

    def measure(self, model: nn.Module, logits: Tensor, batch: Any) -> str:
        """How predictions are compared: "kl", "bernoulli" or "mse"."""
        return distance_of(self.distance, model, logits, batch, self._told)

    def cost(self) -> Cost:
        return Cost(self.steps + 2, 2, self.steps)

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        """Where the ascent begins: fp32, shaped as the embeddings' output (batch, seq, hidden)."""
        raise NotImplementedError

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        """The next perturbation, and the share of it that the ball cut, shape ()."""
        raise NotImplementedError

    def penalty(self, logits: Tensor, moved: Tensor, distance: str, mask: Tensor) -> Tensor:
        """R between clean and perturbed logits (batch, outputs), shape ()."""
        return symmetric(logits, moved, distance, mask)

    def supervised(self, output: Any) -> Tensor | None:
        """The loss of the labels, shape (); None if the method allows a batch without labels and this one has none."""
        return read_loss(output)

    def extra(self, logits: Tensor, distance: str, mask: Tensor, passes: Passes) -> Tensor:
        """A further term of the objective, from the clean logits, shape ()."""
        return torch.zeros((), device=logits.device)

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        embedding = find_embedding(model, self.emb_name)
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:
            self.prepare(passes)
            with shifted_embeddings(embedding) as site, self.observing(passes, embedding):
                result = passes.output()
            clean, logits, _ = self.supervised(result), read_logits(result), first(site)
            distance, output, ids = self.measure(model, logits, batch), site.outputs[0], site.ids[0]
            ball = self.ball(passes, ids)
            real = ball.mask if ball.text_axis == 1 else ball.mask.transpose(0, 1)  # as predictions lie
            mask = scored(real, logits, batch, model, distance)
            shift, clipped = self.start(output, ball, passes), torch.zeros((), device=passes.device)
            finite = torch.ones((), dtype=torch.bool, device=passes.device)
            for _ in range(self.steps):
                with shifted_embeddings(embedding, shift) as middle:
                    apart = divergence(logits.detach(), read_logits(passes.output()), distance, mask)
                    gradient = inner_gradient(passes.scale(apart), middle)
                finite = finite & torch.isfinite(gradient).all()
                shift, clipped = self.ascend(shift, self.aimed(gradient, passes), ball, passes)
            shift = torch.where(finite, shift, torch.zeros_like(shift))
            self.refuse_swallowed(output, shift)
            with shifted_embeddings(embedding, shift, detached=self.detached) as last:
                moved = passes.output()
            objective = self.reg_weight * self.penalty(logits, read_logits(moved), distance, mask)
            objective = objective + self.extra(logits, distance, mask, passes)
            objective = objective if clean is None else clean + objective
            precision.tell(passes.scale(objective), ~finite).backward()  # type: ignore[no-untyped-call]
            grad_of(first(last).grad)
        attacked = self.supervised(moved)
        gap = {} if clean is None or attacked is None else {"gap": attacked.detach() - clean.detach()}
        self.report(ball, output, shift, finite, clipped=clipped, **gap)
        return objective.detach()

    def prepare(self, passes: Passes) -> None:
        """Called before the clean pass."""

    def observing(self, passes: Passes, embedding: nn.Module) -> AbstractContextManager[object]:
        """A context around the clean pass, for a method that must see more of the model."""
        return nullcontext()
