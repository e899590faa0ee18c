"""Where the attack may begin: ranges of ``start_epoch``, and the epochs that they leave."""

import math
from collections.abc import Sequence
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.words import short
from spaces import WHOLE, Space, starts_between
from studies.planning.ranges import parse_range


def start_range(where: str, value: Any, method: str, per: int) -> IntDistribution | FloatDistribution:
    """A range of starts: whole epochs, or steps of 1/N with N evaluations in an epoch.

    Args:
        where: Where the user gave it.
        value: The range.
        method: A key of ``adv.METHODS``.
        per: Evaluations in an epoch.

    Raises:
        UserError: It is no range, or its ends lie between evaluations.
    """
    if per == 1 or method in WHOLE:
        low, high, log = parse_range(where, value, float)
        if (low, high) == (int(low), int(high)):
            return IntDistribution(*parse_range(where, value, int)[:2], log=log)
        why = "it replays its batches" if method in WHOLE else f"they do with {arg('evals_per_epoch')} 2 or more"
        raise UserError(f"{where}: starts of {method} do not lie within epochs; {why}")
    low, high, log = parse_range(where, value, float)
    if log:
        raise UserError(f"{where}: with {arg('evals_per_epoch', per)} starts lie 1/{per} of an epoch apart: leave out log")
    ends = [end * per for end in (low, high)]
    for end, many in zip((low, high), ends, strict=True):
        if abs(many - round(many)) > 0.02:
            near = short(round(many) / per)
            what = f"{end:g} of an epoch lies between two evaluations; with {arg('evals_per_epoch', per)} write {near}"
            raise UserError(f"{where}: {what}")
    return starts_between(round(ends[0]), round(ends[1]), per)


def keep_attacked(space: Space, last: float, given: Sequence[str]) -> None:
    """See that a trial with the fewest epochs still has one to attack: the range of the epochs begins after the last start.

    Args:
        space: Changed in place.
        last: The latest start.
        given: Settings whose value or range the user gave.

    Raises:
        UserError: The user gave a range that leaves none.
    """
    epochs = space.get("epochs")
    if not isinstance(epochs, IntDistribution) or last < epochs.low:
        return
    least = math.floor(last) + 1
    if "epochs" in given or last >= epochs.high:
        raise UserError(
            f"start_epoch {short(last)} leaves no epoch to attack where {arg('epochs')} is {epochs.low}: search "
            f"{arg('space', {'epochs': f'{least}:{max(epochs.high, least + 1)}'})}, or fix an earlier start_epoch"
        )
    space["epochs"] = IntDistribution(least, epochs.high)
