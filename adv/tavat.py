"""TAVAT: Li, Qiu 2021, "Token-Aware Virtual Adversarial Training in Natural Language Understanding", Algorithm 1."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from adv.core.ball import TINY, Ball
from adv.core.limits import Limit, in_ball
from adv.core.passes import Passes
from adv.core.settings import AttackError, setting
from adv.core.shift import find_embedding
from adv.steps.accumulating import AccumulatingMethod


@dataclass(kw_only=True)
class TAVAT(AccumulatingMethod):
    """FreeLB with a second perturbation that belongs to the words and is kept from batch to batch.

    delta = text part + token part. The token part starts from a table with a row for each word, divided by its length over
    the batch. It moves by ``alpha * g / ||g||`` of each token, and is scaled by its length over the longest in its text.
    Both parts together stay in the ball, from the start on (the authors' first pass is outside, 1.2 to 2.6 times the radius
    away at five of their eight settings). After the last pass the table stores the token part: the mean, if a word occurs
    more than once. The authors' code adds it, so that the table grows without bound. The table is as large as the embedding
    matrix and is part of the method's state.
    """

    paper: ClassVar[str] = "Li and Qiu 2021"

    epsilon: float = setting(0.5, "radius of the ball around the clean embedding", low=0)
    K: int = setting(2, "passes; an ascent step follows each but the last", low=1)
    init_mag: float = setting(0.2, "length of the random start, of the text part and of the table's rows", low=0)
    norm: str = setting("example", "where the norm of the text part is taken", choices=("example",))

    def __post_init__(self) -> None:
        super().__post_init__()
        self._table: Tensor | None = None

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        rows = self._rows(passes, output)[ball.ids] * ball.mask
        return self._together(super().start(output, ball, passes), rows / rows.norm().clamp_min(TINY), ball, passes)[0]

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        tokens = replace(ball, norm="token")
        moved = passes.kept["token"] + self.alpha * tokens.unit(gradient)
        lengths = tokens.length(moved)
        longest = lengths.amax(ball.text_axis, keepdim=True)
        text = passes.kept["text"] + self.alpha * ball.unit(gradient)
        return self._together(text, moved * (lengths / longest.clamp_min(TINY)), ball, passes)

    def finish(self, shift: Tensor, gradient: Tensor, finite: Tensor, ball: Ball, passes: Passes) -> Tensor | None:
        assert self._table is not None
        if self.K == 1:
            return None
        flat, weights = ball.ids.reshape(-1), ball.mask.reshape(-1, 1)
        sums = ball.sums(passes.kept["token"].reshape(len(flat), -1) * weights)
        counts = ball.sums(weights)
        self._table[flat] = torch.where(finite & (counts > 0), sums / counts.clamp_min(1), self._table[flat])
        return None

    def _together(self, text: Tensor, token: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        """The sum of both parts, scaled into the ball, and the share of lengths that the ball cut."""
        both, cut = ball.project(text + token, self.epsilon)
        share = (self.epsilon / ball.length(text + token).clamp_min(TINY)).clamp_max(1)
        passes.kept.update(text=text * share, token=token * share)
        return both, cut

    def _rows(self, passes: Passes, output: Tensor) -> Tensor:
        if self._table is None:
            matrix = getattr(find_embedding(passes.model, self.emb_name), "weight", None)
            if not isinstance(matrix, Tensor) or matrix.dim() != 2:
                raise AttackError("TAVAT keeps a row for each word, but the embedding module has no matrix of words")
            shape, width = torch.Size((len(matrix), output.shape[-1])), output.shape[-1]
            self._table = passes.uniform(shape, self.draw()) * (self.init_mag / width**0.5)
        self._table = self._table.to(output.device)
        return self._table

    def state_dict(self) -> dict[str, Tensor]:
        return super().state_dict() | ({} if self._table is None else {"table": self._table})

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        self._table = state["table"].clone() if "table" in state else None
