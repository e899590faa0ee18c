"""YOPO: Zhang et al. 2019, "You Only Propagate Once", section 3.2, on embeddings and the first layer of an encoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.limits import Limit, Reach, in_ball, walked
from adv.core.method import Cost
from adv.core.modules import first_layer
from adv.core.passes import Passes
from adv.core.settings import AttackError, setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.site import grad_of, inner_gradient
from adv.steps.accumulating import AccumulatingMethod


@dataclass(kw_only=True)
class YOPO(AccumulatingMethod):
    """K + 1 passes that train, as in FreeLB; between two of them, n ascent steps through only the first layer.

    A pass gives ``p = dJ/dh`` at the first layer's output h; then n times
    ``delta <- Pi(delta + alpha * g / ||g||_2)`` with ``g = d<p, h(delta)> / d delta``, p held fixed. The pass itself
    gives the first of the n directions, so ``n=1`` takes the steps of PGD.
    """

    paper: ClassVar[str] = "Zhang et al. 2019"

    epsilon: float = setting(0.14, "radius of the ball around the clean embedding", low=0)
    K: int = setting(2, "rounds of ascent: K + 1 passes train", low=1)
    n: int = setting(3, "ascent steps of a round, all but the first through only the first layer", low=1)
    alpha: float = setting(0.03, "length of one ascent step", low=0)
    init_mag: float = setting(0.0, "length of the random start: delta_0 has about init_mag / sqrt(3)", low=0)
    layer_name: str | None = setting(
        None, "first layer, if it is not the first item of the model's first ModuleList", optional=True, pattern=True
    )

    def reach(self) -> Reach:
        return walked(self, self.K, self.n)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    @property
    def idle(self) -> dict[str, str]:
        return {}

    @property
    def passes(self) -> int:
        return self.K + 1

    def cost(self) -> Cost:
        return Cost(self.passes, self.passes, first_layer=self.K * (self.n - 1))

    @contextmanager
    def observing(self, model: nn.Module) -> Iterator[None]:
        """Keep the first layer's output in each full pass, with its gradient."""
        self._layer, self._embedding = first_layer(model, self.layer_name), find_embedding(model, self.emb_name)
        self._outputs: list[Tensor] = []

        def keep(module: nn.Module, args: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            # A layer with shared weights is called once for each depth; only its first call is the first layer.
            if not self._outputs and output.requires_grad:
                output.retain_grad()
                self._outputs.append(output)

        handle = self._layer.register_forward_hook(keep)
        try:
            yield
        finally:
            handle.remove()
            del self._layer, self._embedding, self._outputs

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        if not self._outputs:
            raise AttackError(f"{type(self._layer).__name__} was not called in the forward pass: set layer_name")
        slope = grad_of(self._outputs[0].grad).detach()
        finite = torch.ones((), dtype=torch.bool, device=shift.device)
        for left in reversed(range(self.n)):
            finite = finite & torch.isfinite(gradient).all()
            shift, clipped = super().ascend(shift, torch.nan_to_num(gradient, 0, 0, 0), ball, passes)
            if left:
                with shifted_embeddings(self._embedding, shift) as site:
                    output = passes.until(self._layer)
                    gradient = self.aimed(inner_gradient((output * slope).sum(), site), passes)
        self._outputs.clear()
        return torch.where(finite, shift, torch.nan), clipped
