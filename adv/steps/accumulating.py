"""The step of attacks that train in every pass: one backward pass gives the gradients of weights and perturbation."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model
from adv.core.precision import FP32, Precision
from adv.core.rows import shifted_again
from adv.core.settings import setting
from adv.core.shift import find_embedding
from adv.core.site import SiteMethod, first, grad_of

SEPARATE = ("example", "token")


@dataclass(kw_only=True)
class AccumulatingMethod(SiteMethod):
    """``passes`` passes at delta_0, delta_1, ...; the mean of their gradients is the step.

    Every backward pass serves the weights and the next perturbation, so no pass is needed only for the ascent.
    """

    null: ClassVar[tuple[dict[str, Any], ...]] = ({"epsilon": 0.0},)

    epsilon: float = setting(0.3, "radius of the ball around the clean embedding", low=0)
    alpha: float = setting(0.05, "length of one ascent step", low=0)
    K: int = setting(3, "passes; an ascent step follows each but the last", low=1)
    init_mag: float = setting(0.1, "length of the random start: delta_0 has about init_mag / sqrt(3)", low=0)
    norm: str = setting("example", "where the norm is taken", choices=SEPARATE)

    @property
    def geometry(self) -> str:
        return self.norm

    @property
    def idle(self) -> dict[str, str]:
        return {} if self.K > 1 else {"alpha": "K=1"}

    @property
    def passes(self) -> int:
        """Passes of one step."""
        return self.K

    def cost(self) -> Cost:
        return Cost(self.passes, self.passes)

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        """delta_0 (batch, seq, hidden): ``U(-1, 1) * init_mag / sqrt(L * d)`` per text, in the ball."""
        if not self.init_mag:
            return torch.zeros_like(output, dtype=torch.float32)
        return ball.project(self.scattered(self.init_mag, output, ball, passes), self.epsilon)[0]

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        """The next perturbation (batch, seq, hidden), and the share of it that the ball cut, shape ()."""
        return ball.climb(shift, gradient, self.alpha, self.epsilon)

    def observing(self, model: nn.Module) -> AbstractContextManager[object]:
        """A context around all passes, for a method that must see more of the model."""
        return nullcontext()

    def finish(self, shift: Tensor, gradient: Tensor, finite: Tensor, ball: Ball, passes: Passes) -> Tensor | None:
        """Called after the last pass with its perturbation, the gradient there, and whether all gradients were finite.

        Returns:
            The share that the ball cut, shape (), where it is not that of the last ascent.
        """
        return None

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        embedding, count = find_embedding(model, self.emb_name), self.passes
        losses: list[Tensor] = []
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes, self.observing(model):
            begun: list[tuple[Ball, Tensor]] = []

            def begin(ids: Tensor, output: Tensor) -> Tensor:
                ball = self.ball(passes, ids)
                begun.append((ball, self.start(output, ball, passes)))
                self.refuse_swallowed(output, begun[0][1])
                return begun[0][1]

            shift: Any = begin
            calls = 0  # the first pass shows it
            finite, clipped = torch.ones((), dtype=torch.bool, device=passes.device), torch.zeros((), device=passes.device)
            for number in range(count):
                with shifted_again(model, embedding, shift, calls) as site:
                    loss = passes.loss()
                    part = precision.tell(passes.scale(loss) / count, ~finite)
                    part.backward()  # type: ignore[no-untyped-call]
                losses.append(loss.detach())
                calls = len(site.ids)
                gradient, ball = grad_of(first(site).grad), begun[0][0]
                finite = finite & torch.isfinite(gradient).all()
                last = begun[0][1] if number == 0 else shift
                if number + 1 < count:
                    shift, clipped = self.ascend(last, self.aimed(gradient, passes), ball, passes)
                    finite = finite & torch.isfinite(shift).all()
                    shift = torch.where(finite, shift, torch.zeros_like(shift))
                    self.refuse_swallowed(site.outputs[0], shift)
            cut = self.finish(last, gradient, finite, ball, passes)
            clipped = clipped if cut is None else cut
        gap = {"gap": losses[-1] - losses[0]} if count > 1 else {}
        self.report(ball, site.outputs[0], last, finite, clipped=clipped, **gap)
        return torch.stack(losses).mean()
