"""Where values are drawn: an axis that a few collapsed trials do not squeeze."""

from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from studies.results.summary import Summary
from studies.results.trials import complete, own, value_of

# Room beyond the values, as a share of their range: for the axis, and for each row of trials at its worse edge.
ROOM, ROW = 0.05, 0.06


def ends(summary: Summary) -> tuple[float, float]:
    """The lowest and the highest value that is drawn where it is: all complete trials but those that collapsed, and clean.

    A value has collapsed if it is farther below most of the trials that did not break training than these are below the
    best, or clean training. The band of the noise does not widen the axis.
    """
    sign = 1 if summary.maximize else -1
    known = {t.number: sign * value for t in complete(summary) or own(summary) if (value := value_of(t)) is not None}
    lost = set(summary.matters.broken)
    whole = [value for number, value in known.items() if number not in lost] or list(known.values())
    clean = sign * summary.clean
    top, low = max([*known.values(), clean]), min([*known.values(), clean])
    if whole:
        quarter = min(float(np.quantile(whole, 0.25)), clean)
        low = max(low, quarter - (top - quarter))
    return (low, top) if summary.maximize else (-top, -low)


def inside(value: float, summary: Summary) -> float:
    """A value, or the end that it is beyond."""
    low, high = ends(summary)
    return min(max(value, low), high)


def collapsed(trials: Sequence[FrozenTrial], summary: Summary) -> list[bool]:
    """Which trials have a value beyond the worse end."""
    low, high = ends(summary)
    values = [value_of(trial) for trial in trials]
    return [value is not None and (value < low if summary.maximize else value > high) for value in values]


def heights(trials: Sequence[FrozenTrial], summary: Summary) -> list[float]:
    """Where trials are drawn: at their value; those beyond the worse end at that edge, and failed trials below them.

    A value that the search did not measure, and that is better than all measured ones, is drawn at the better edge. A trial
    that was pruned early is far from any final value: at its value, it would squeeze the rest into a strip.
    """
    low, high = ends(summary)
    room = ROW * ((high - low) or abs(high) or 1.0) * (-1 if summary.maximize else 1)
    worst, bound = (low, max) if summary.maximize else (high, min)
    best, other = (high, min) if summary.maximize else (low, max)
    values = [value_of(trial) for trial in trials]
    return [worst + 2 * room if value is None else other(bound(value, worst + room), best - room) for value in values]


def value_range(summary: Summary) -> list[float]:
    """The ends of an axis that shows all trials and the baseline."""
    drawn = [*heights(summary.trials, summary), *ends(summary)]
    low, high = min(drawn), max(drawn)
    room = ROOM * ((high - low) or abs(high) or 1.0)
    return [low - room, high + room]
