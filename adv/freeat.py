"""FreeAT: Shafahi et al. 2019, "Adversarial Training for Free!", Algorithm 1, on embeddings."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.limits import Limit, in_ball
from adv.core.passes import Passes
from adv.core.settings import AttackError, setting
from adv.steps.accumulating import AccumulatingMethod

# The most micro-batches that may wait for a replay at the same time.
MOST = 256


class Carried(NamedTuple):
    """A batch between its replays: its next perturbation, how often it came, and the version of the weights it last met."""

    batch: Any
    shift: Tensor
    times: int
    weights: int


@dataclass(kw_only=True)
class FreeAT(AccumulatingMethod):
    """Each batch is trained K times in a row, with an optimiser step each; the gradient at delta makes the next delta.

    One pass a step: the loop repeats the batch ``replays`` times, as the same object. The perturbation is kept within its
    replays, because the texts of other batches have other lengths. With as many updates as clean training, the data are
    read 1/K as often. A batch that the loop leaves before its K-th replay starts again from zero when it comes back. A loop
    that leaves one batch after the other is refused.
    """

    paper: ClassVar[str] = "Shafahi et al. 2019"

    epsilon: float = setting(0.1, "radius of the ball around the clean embedding", low=0)
    alpha: float = setting(0.1, "length of one ascent step; the paper's is epsilon", low=0)
    K: int = setting(3, "replays of a batch, each with an optimiser step", low=1)
    init_mag: float = setting(0.0, "length of the random start: delta_0 has about init_mag / sqrt(3)", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        # With accumulation, the micro-batches of one step take turns.
        self._carried: list[Carried] = []
        self._left = 0

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    @property
    def replays(self) -> int:
        return self.K

    @property
    def passes(self) -> int:
        return 1

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        for known in self._carried:
            if known.batch is passes.batch:
                return known.shift
        self._leave(passes.model)
        return super().start(output, ball, passes)

    def finish(self, shift: Tensor, gradient: Tensor, finite: Tensor, ball: Ball, passes: Passes) -> Tensor | None:
        batch = passes.batch
        cut = None
        done = next((known.times for known in self._carried if known.batch is batch), 0) + 1
        self._carried = [known for known in self._carried if known.batch is not batch]
        if done < self.K:
            moved, cut = self.ascend(shift, self.aimed(gradient, passes), ball, passes)
            moved = torch.where(finite, moved, torch.zeros_like(moved))
            self._carried.append(Carried(batch, moved, done, changes_of(passes.model)))
        elif self.K > 1:
            self._left = 0
        if len(self._carried) > MOST:
            raise AttackError(
                f"none of the last {MOST} batches came {self.K} times: FreeAT needs every batch method.replays times in a "
                "row, the same object, with an optimiser step each"
            )
        return cut

    def _leave(self, model: nn.Module) -> None:
        """Forget the batches that wait for a replay and have not come since the last optimiser step: a new batch is here.

        An epoch may end in the middle of replays, so once is not an error.

        Raises:
            AttackError: It happens again, and no batch has come K times in between.
        """
        fresh = all(p.grad is None for p in model.parameters() if p.requires_grad)
        now = changes_of(model)
        left = [known for known in self._carried if fresh or known.weights != now]
        self._carried = [known for known in self._carried if not any(known is one for one in left)]
        self._left += bool(left)
        if self._left > 1:
            times = f"{left[0].times} time{'s' * (left[0].times > 1)}"
            raise AttackError(
                f"a batch came {times} and then another, but FreeAT with K={self.K} needs every batch method.replays times "
                "in a row, the same object, with an optimiser step each"
            )

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        self._carried, self._left = [], 0


def changes_of(model: nn.Module) -> int:
    """How often the weights have been changed in place: another number means an optimiser step in between."""
    return sum(p._version for p in model.parameters() if p.requires_grad)
