"""The step that all embedding attacks share: a clean pass for the direction, ascent passes, the adversarial pass."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adv.ball import Ball
from adv.method import Cost, Method
from adv.passes import Forward, Passes, call_model
from adv.precision import FP32, Precision
from adv.settings import COMBINE, AttackError, setting
from adv.shift import Site, find_embedding, padding_mask, shifted_embeddings, turned

TINY = torch.finfo(torch.float32).tiny
SHARES = {"mean": (0.5, 0.5), "sum": (1.0, 1.0), "replace": (0.0, 1.0)}


@dataclass(kw_only=True)
class EmbeddingMethod(Method):
    """A perturbation of the embeddings' output, found in ``steps`` ascent steps from zero.

    The objective is ``a * J(e) + b * J(e + delta)`` with (a, b) = (1/2, 1/2) for ``combine="mean"``, (1, 1) for "sum"
    (the seed document) and (0, 1) for "replace". Middle passes differentiate with respect to delta alone.
    """

    epsilon: float = setting(1.0, "radius of the ball around the clean embedding", low=0)
    combine: str = setting("mean", "how clean and adversarial gradients are joined", choices=COMBINE)
    emb_name: str | None = setting(
        None, "embedding module, where get_input_embeddings() does not tell", optional=True, pattern=True
    )

    _looked = False

    @property
    def geometry(self) -> str:
        """Where lengths are taken."""
        return "token"

    @property
    def steps(self) -> int:
        """Ascent steps."""
        return 1

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        """The next perturbation (batch, seq, hidden), and the share of it that the ball cut, shape ()."""
        raise NotImplementedError

    def cost(self) -> Cost:
        clean = self.combine != "replace"
        return Cost(self.steps + 1, 1 + clean, self.steps - clean)

    def backward(self, model: nn.Module, batch: Any, precision: Precision = FP32, forward: Forward = call_model) -> Tensor:
        before, after = SHARES[self.combine]
        embedding = find_embedding(model, self.emb_name)
        with Passes(model, batch, precision, forward, self.same_dropout) as passes:
            with shifted_embeddings(embedding) as site:
                clean = passes.loss()
                if before:
                    (precision.scale(clean) * before).backward()  # type: ignore[no-untyped-call]
                    gradient = grad_of(first(site).grad)
                else:
                    gradient = inner_gradient(precision.scale(clean), site)
            ids = site.ids[0]
            ball = Ball(self.geometry, ids, padding_mask(batch, ids), text_axis=0 if turned(batch, ids) else 1)
            shift = torch.zeros_like(site.outputs[0], dtype=torch.float32)
            finite = torch.isfinite(gradient).all()
            shift, clipped = self.ascend(shift, gradient, ball, passes)
            for _ in range(self.steps - 1):
                with shifted_embeddings(embedding, shift) as middle:
                    gradient = inner_gradient(precision.scale(passes.loss()), middle)
                finite = finite & torch.isfinite(gradient).all()
                shift, clipped = self.ascend(shift, gradient, ball, passes)
            shift = torch.where(finite, shift, torch.zeros_like(shift))
            self._refuse_swallowed(site.outputs[0], shift)
            with shifted_embeddings(embedding, shift):
                adversarial = passes.loss()
                precision.tell(precision.scale(adversarial) * after, ~finite).backward()  # type: ignore[no-untyped-call]
        relative = ball.length(shift) / ball.length(site.outputs[0]).clamp_min(TINY)
        relative = relative.sum() / (ball.length(site.outputs[0]) > 0).sum().clamp_min(1)
        gap = (adversarial - clean).masked_fill(~finite, 0)
        self.record(relative=relative, clipped=clipped, gap=gap, nonfinite=~finite)
        return (before * clean + after * adversarial).detach()

    def _refuse_swallowed(self, output: Tensor, shift: Tensor) -> None:
        """Looked at once, and only in half precision: this reads one number back from the device."""
        if self._looked or output.dtype in (torch.float32, torch.float64):
            return
        self._looked = True
        added = shift.to(output.dtype)
        if bool(((output + added == output).all()) & shift.any()):
            raise AttackError(
                f"{output.dtype} embeddings swallow this perturbation (every sum rounds back): "
                "keep the weights in fp32 and use autocast, or raise epsilon"
            )


def first(site: Site) -> Tensor:
    """The leaf of the embedding's first call.

    Raises:
        AttackError: It was never called.
    """
    if not site.leaves:
        raise AttackError("the embedding module was not called in the forward pass: set emb_name to the one that is")
    return site.leaves[0]


def inner_gradient(loss: Tensor, site: Site) -> Tensor:
    """The gradient at the embeddings' output alone: autograd skips the weights."""
    return grad_of(torch.autograd.grad(loss, first(site), allow_unused=True)[0])


def grad_of(gradient: Tensor | None) -> Tensor:
    """The gradient.

    Raises:
        AttackError: There is none.
    """
    if gradient is None:
        raise AttackError("the loss does not depend on the embeddings' output: nothing to attack")
    return gradient
