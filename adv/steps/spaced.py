"""Methods that may attack only every n-th batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from adv.core.method import Method
from adv.core.settings import setting


@dataclass(kw_only=True)
class Spaced(Method):
    """With ``every`` = n, a batch is attacked and the next n - 1 train clean: a step costs 1 / n of what the attack adds.

    Batches are counted from the first that the method sees, in calls of ``backward``: with gradient accumulation these are
    micro-batches.

    Example:
        >>> from adv import FGM
        >>> FGM(every=4).cost()
        Cost(forward=1.25, backward=1.25, inner=0.0, first_layer=0.0, second=0.0)
    """

    every: int = setting(1, "attack every n-th batch, train clean between", low=1)

    _batches = 0

    def turn(self) -> bool:
        """Whether this batch is attacked; counts the batches."""
        self._batches += 1
        return (self._batches - 1) % self.every == 0

    def state_dict(self) -> dict[str, Tensor]:
        state = super().state_dict()
        return state | {"batches": torch.tensor(self._batches)} if self.every > 1 and self._batches else state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        self._batches = int(state.get("batches", 0))
