"""Where the attack may begin: ranges of ``start_epoch``, and the epochs that they leave."""

import math
from collections.abc import Sequence
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.words import short
from spaces import WHOLE, Space, starts_between
from studies.planning.ranges import FORM, parse_range

# How far apart starts may lie, in parts of an epoch, where it has one evaluation: the state at each start is kept on disk.
PARTS = (1, 2, 3, 4)
# A start may be written with two decimals: 0.33 for a third.
NEAR = 0.02


def start_range(where: str, value: Any, method: str, per: int) -> IntDistribution | FloatDistribution:
    """A range of starts: whole epochs, or steps of 1/N with N evaluations in an epoch.

    With one evaluation in an epoch the ends say how far apart starts lie: whole epochs, halves, thirds or quarters.

    Args:
        where: Where the user gave it.
        value: The range.
        method: A key of ``adv.METHODS``.
        per: Evaluations in an epoch.

    Raises:
        UserError: It is no range, or its ends lie elsewhere.

    Example:
        >>> start_range("here", "1:2.5", "fgm", 1)
        FloatDistribution(high=2.5, log=False, low=1.0, step=0.5)
    """
    low, high, log = parse_range(where, value, float)
    if math.isinf(high - low):
        raise UserError(f"{where}: {value!r} is not a range of epochs; write {FORM}, with numbers")
    if per == 1 or method in WHOLE:
        if (low, high) == (int(low), int(high)):
            return IntDistribution(*parse_range(where, value, int)[:2], log=log)
        if method in WHOLE:
            raise UserError(f"{where}: starts of {method} do not lie within epochs; it replays its batches")
    if log:
        apart = (
            f"with {arg('evals_per_epoch', per)} starts lie 1/{per} of an epoch"
            if per > 1
            else "starts within epochs lie evenly"
        )
        raise UserError(f"{where}: {apart} apart: leave out log")
    for parts in PARTS if per == 1 else (per,):
        if fit(low, parts) and fit(high, parts):
            if round(low * parts) == round(high * parts):
                one = arg("set", {"start_epoch": low})
                raise UserError(f"{where}: the range is empty, both ends are {at(low, parts)}; {one} fixes a start")
            return starts_between(round(low * parts), round(high * parts), parts)
    ends = [end for end in (low, high) if not any(fit(end, parts) for parts in (PARTS if per == 1 else (per,)))]
    if per > 1:
        what = f"{ends[0]:g} of an epoch lies between two evaluations; with {arg('evals_per_epoch', per)} write "
        raise UserError(f"{where}: {what}{at(ends[0], per)}")
    what = (
        f"{ends[0]:g} is none of them; write {at(ends[0], PARTS[-1])}"
        if ends
        else f"{low:g} and {high:g} do not fit together"
    )
    raise UserError(f"{where}: starts lie 1/2, 1/3 or 1/4 of an epoch apart, and {what}")


def fit(start: float, parts: int) -> bool:
    """Whether a start lies where parts of an epoch end."""
    return abs(start * parts - round(start * parts)) <= NEAR


def at(start: float, parts: int) -> str:
    """The nearest place where a part of an epoch ends, in words."""
    return short(round(start * parts) / parts)


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
