"""The step that embedding attacks share: a clean pass, ascent passes, the adversarial pass."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.clean import Clean
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model
from adv.core.precision import FP32, Precision
from adv.core.rows import shifted_again
from adv.core.settings import COMBINE, setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.site import SiteMethod, first, grad_of, inner_gradient
from adv.steps.spaced import Spaced

SHARES = {"mean": (0.5, 0.5), "sum": (1.0, 1.0), "replace": (0.0, 1.0)}


class Worst(NamedTuple):
    """What an ascent found: perturbation and embeddings' output, both (batch, seq, hidden), and what diagnostics need.

    ``calls`` is how often a pass calls the embeddings.
    """

    shift: Tensor
    output: Tensor
    ball: Ball
    clean: Tensor
    clipped: Tensor
    finite: Tensor
    embedding: nn.Module
    calls: int


@dataclass(kw_only=True)
class EmbeddingMethod(Spaced, SiteMethod):
    """A perturbation of the embeddings' output, found in ``steps`` ascent steps.

    The objective is ``a * J(e) + b * J(e + delta)`` with (a, b) = (1/2, 1/2) for ``combine="mean"``, (1, 1) for "sum"
    (the listing that people copy) and (0, 1) for "replace". If delta starts at zero, the clean pass gives the first
    direction. The others come from passes that differentiate only with respect to delta.

    Example:
        A method outside this repository; it only writes ``ascend``.

        >>> import torch
        >>> from dataclasses import dataclass
        >>> from adv import EmbeddingMethod
        >>> @dataclass(kw_only=True)
        ... class AgainstTheGradient(EmbeddingMethod):
        ...     def ascend(self, shift, gradient, ball, passes):
        ...         return -self.epsilon * ball.unit(gradient), torch.zeros(())
        >>> AgainstTheGradient(epsilon=0.3).cost()
        Cost(forward=2, backward=2, inner=0, first_layer=0, second=0)
    """

    null: ClassVar[tuple[dict[str, Any], ...]] = ({"epsilon": 0.0},)
    from_zero: ClassVar[bool] = True

    epsilon: float = setting(1.0, "radius of the ball around the clean embedding", low=0)
    combine: str = setting("mean", "how clean and adversarial gradients are joined", choices=COMBINE)

    @property
    def steps(self) -> int:
        """Ascent steps."""
        return 1

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        """The perturbation before the first step, shaped as the embeddings' output, fp32."""
        return torch.zeros_like(output, dtype=torch.float32)

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        """The next perturbation (batch, seq, hidden), and the share of it that the ball cut, shape ()."""
        raise NotImplementedError

    def inner_objective(self, passes: Passes) -> Tensor:
        """What an inner pass maximises, shape ()."""
        return passes.loss()

    def cost(self) -> Cost:
        clean, inner = self.combine != "replace", self.steps - self.from_zero
        return Cost(inner + 2, 1 + clean, inner + (self.from_zero and not clean)).spread(self.every)

    def find(self, passes: Passes, embedding: nn.Module, before: float) -> Worst:
        """Find the worst perturbation, and add ``before`` times the clean gradient to ``p.grad``."""
        scale = passes.scale
        needed = bool(before) or self.from_zero
        with shifted_embeddings(embedding) as site, torch.set_grad_enabled(needed):
            clean = passes.loss()
            if before:
                (scale(clean) * before).backward()  # type: ignore[no-untyped-call]
                gradient = grad_of(first(site).grad)
            elif self.from_zero:
                gradient = inner_gradient(scale(clean), site)
            else:
                gradient = torch.zeros_like(first(site))
        ball, output = self.ball(passes, site.ids[0]), site.outputs[0]
        shift, finite = self.start(output, ball, passes), torch.isfinite(gradient).all()
        clipped = torch.zeros((), device=shift.device)
        if self.from_zero:
            shift, clipped = self.ascend(shift, self.aimed(gradient, passes), ball, passes)
        for _ in range(self.steps - self.from_zero):
            with shifted_embeddings(embedding, shift) as middle:
                gradient = inner_gradient(scale(self.inner_objective(passes)), middle)
            finite = finite & torch.isfinite(gradient).all()
            shift, clipped = self.ascend(shift, self.aimed(gradient, passes), ball, passes)
        shift = torch.where(finite, shift, torch.zeros_like(shift))
        return Worst(shift, output, ball, clean.detach(), clipped, finite, embedding, len(site.ids))

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        if not self.turn():
            return Clean().backward(model, batch, precision, forward, share)
        before, after = SHARES[self.combine]
        embedding = find_embedding(model, self.emb_name)
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:
            worst = self.find(passes, embedding, before)
            self.refuse_swallowed(worst.output, worst.shift)
            with shifted_again(model, embedding, worst.shift, worst.calls):
                adversarial = passes.loss()
                precision.tell(passes.scale(adversarial) * after, ~worst.finite).backward()  # type: ignore[no-untyped-call]
        gap = adversarial.detach() - worst.clean
        self.report(worst.ball, worst.output, worst.shift, worst.finite, clipped=worst.clipped, gap=gap)
        return before * worst.clean + after * adversarial.detach()
