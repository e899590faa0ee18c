"""FreeAT: Shafahi et al. 2019, "Adversarial Training for Free!", Algorithm 1, on embeddings."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adv.accumulate import AccumulatingMethod
from adv.ball import Ball
from adv.passes import Passes
from adv.settings import AttackError, setting

# Micro-batches under way at the same time, at most.
MOST = 256


@dataclass(kw_only=True)
class FreeAT(AccumulatingMethod):
    """Each batch is trained K times in a row, with an optimiser step each; the gradient at delta makes the next delta.

    One pass a step: the loop repeats the batch ``replays`` times (the same object: the perturbation is carried over
    within its replays, texts of other batches have other lengths). For the same number of updates as clean training,
    data are passed over 1/K as often.
    """

    paper: ClassVar[str] = "Shafahi et al. 2019"

    epsilon: float = setting(0.1, "radius of the ball around the clean embedding", low=0)
    alpha: float = setting(0.1, "length of one ascent step; the paper's is epsilon", low=0)
    K: int = setting(3, "replays of a batch, each with an optimiser step", low=1)
    init_mag: float = setting(0.0, "length of the random start: delta_0 has about init_mag / sqrt(3)", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        # Under accumulation the micro-batches of one step take turns.
        self._carried: list[tuple[Any, Tensor, int]] = []

    @property
    def replays(self) -> int:
        return self.K

    @property
    def passes(self) -> int:
        return 1

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        for known, shift, _ in self._carried:
            if known is passes.batch:
                return shift
        return super().start(output, ball, passes)

    def finish(self, shift: Tensor, gradient: Tensor, finite: Tensor, ball: Ball, passes: Passes) -> Tensor | None:
        batch = passes.batch
        cut = None
        done = next((count for known, _, count in self._carried if known is batch), 0) + 1
        self._carried = [row for row in self._carried if row[0] is not batch]
        if done < self.K:
            moved, cut = self.ascend(shift, gradient, ball, passes)
            self._carried.append((batch, torch.where(finite, moved, torch.zeros_like(moved)), done))
        if len(self._carried) > MOST:
            raise AttackError(
                f"none of the last {MOST} batches came {self.K} times: FreeAT needs every batch method.replays times in a "
                "row, the same object, with an optimiser step each"
            )
        return cut

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        self._carried = []
