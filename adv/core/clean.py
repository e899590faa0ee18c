"""Clean training."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from adv.core.method import Cost, Method
from adv.core.passes import Forward, Passes, call_model
from adv.core.precision import FP32, Precision


@dataclass(kw_only=True)
class Clean(Method):
    """No perturbation: one forward, one backward."""

    paper: ClassVar[str] = "the baseline"

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
        with Passes(model, batch, precision, forward, self.same_dropout, share, compiled=True) as passes:
            loss = passes.loss()
            passes.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()
