"""CreAT: Wu et al. 2023, "Toward Adversarial Training on Contextualized Language Representation", eq. 5-7."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adv.core.ball import Ball
from adv.core.limits import Limit, Reach, in_ball, walked
from adv.core.mask import padding_mask
from adv.core.modules import encoder_of
from adv.core.passes import Forward, Passes, call_model, read_loss
from adv.core.precision import FP32, Precision
from adv.core.settings import setting
from adv.steps.embedding import EmbeddingMethod


@dataclass(kw_only=True)
class CreAT(EmbeddingMethod):
    """An attack that also turns the representation away: ``max J(e + delta) - reg_weight * cos(h(e + delta), h(e))``.

    It starts from normal noise of size sigma in the ball. K - 1 times ``delta <- Pi(delta + alpha * g / ||g||_2)``, then the
    mean of clean and adversarial loss. In the authors' code the start is outside the ball: at their defaults the noise is
    31 times as long as the step, and after the projection 99.9 % of the squared length is noise. h is the first token of
    the last layer (``pool="mean"``: all tokens, for models that read left to right). The cosine is a mean over the texts,
    as the loss is; the authors' code adds it up.
    """

    paper: ClassVar[str] = "Wu et al. 2023"
    from_zero: ClassVar[bool] = False

    epsilon: float = setting(0.1, "radius of the ball around the clean embedding", low=0)
    alpha: float = setting(0.1, "length of one ascent step", low=0)
    K: int = setting(2, "passes at a perturbation: K - 1 ascent steps and the one that counts", low=1)
    sigma: float = setting(0.01, "size of the noise that the ascent starts from", low=0)
    reg_weight: float = setting(1.0, "weight of the cosine in the ascent", low=0)
    pool: str = setting("first", "which tokens of the last layer are compared", choices=("first", "mean"))
    layer_name: str | None = setting(
        None, "module that gives the representation, if the encoder is not found", optional=True, pattern=True
    )

    @property
    def geometry(self) -> str:
        return "example"

    @property
    def idle(self) -> dict[str, str]:
        if not self.steps:
            return dict.fromkeys(("alpha", "reg_weight", "pool", "layer_name"), "K=1")
        return {} if self.reg_weight else dict.fromkeys(("pool", "layer_name"), "reg_weight=0")

    @property
    def steps(self) -> int:
        return self.K - 1

    def reach(self) -> Reach:
        return walked(self, self.steps)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        return ball.project(self.sigma * passes.normal(output.shape, self.draw()) * ball.mask, self.epsilon)[0]

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        return ball.climb(shift, gradient, self.alpha, self.epsilon)

    def inner_objective(self, passes: Passes) -> Tensor:
        loss = read_loss(passes.output())
        return loss - self.reg_weight * F.cosine_similarity(self._hidden[1], self._hidden[0], dim=-1).mean()

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        with self.observing(model, batch):
            return super().backward(model, batch, precision, forward, share)

    @contextmanager
    def observing(self, model: nn.Module, batch: Any) -> Iterator[None]:
        """Keep the representation (batch, hidden) of each pass."""
        self._hidden: list[Tensor] = []

        def keep(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
            output = output[0] if not isinstance(output, Tensor) else output
            # If the batch has no named mask, the encoder's own arguments may have one.
            named = isinstance(batch, Mapping) and "attention_mask" in batch
            found = pooled(output, batch if named else (kwargs, batch), self.pool)
            # The clean one is a target; of the others only the newest is needed, and each holds its pass's graph.
            self._hidden[1:] = [found] if self._hidden else []
            self._hidden = self._hidden or [found.detach().clone()]

        handle = encoder_of(model, self.layer_name).register_forward_hook(keep, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()
            del self._hidden


def pooled(hidden: Tensor, batch: Any, pool: str) -> Tensor:
    """The representation of the first token, or the mean over the real tokens, (batch, hidden), in fp32."""
    if pool == "first":
        return hidden[:, 0].float()
    mask = padding_mask(batch, torch.empty(hidden.shape[:2], device=hidden.device))
    return (hidden.float() * mask).sum(1) / mask.sum(1).clamp_min(1)
