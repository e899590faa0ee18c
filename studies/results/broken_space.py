"""Where training breaks in too many trials: from which value of a setting on, and the narrower range to try."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from finetune.arguments import arg
from studies.results.edges import place_of, rounded
from studies.results.summary import Summary
from studies.results.trials import own

# More broken trials than this share are too many.
MANY = 1 / 3
# A value that parts broken trials from the others at least this well (0.5: by luck) is named.
PARTS = 0.75
# Two settings together are named if they part the trials better by this much than one alone.
BETTER = 0.05
# Values that are tried as a limit of two settings together.
STEPS = 16


class Limit(NamedTuple):
    """One side of a range: values above (or below) ``value`` break training."""

    name: str
    value: float
    above: bool


def too_wide(summary: Summary) -> str | None:
    """A sentence if more than a third of the trials broke training."""
    matters = summary.matters
    if not matters.points or len(matters.broken) <= MANY * matters.points:
        return None
    count = f"{len(matters.broken)} of {matters.points} trials broke training"
    limits = parting(summary)
    if not limits:
        return f"{count}, and no one setting says where: narrow the ranges around the best trial with {arg('space')}"
    sides = " and ".join(f"{'above' if limit.above else 'below'} {limit.name} {limit.value:g}" for limit in limits)
    tries = " or ".join(arg("space", {limit.name: narrower(summary.space[limit.name], limit)}) for limit in limits)
    together = " together" if len(limits) > 1 else ""
    study = arg("study", f"{summary.study.study_name}-narrower")
    return f"{count}: the space is too wide {sides}{together}; try {tries} {study}"


def parting(summary: Summary) -> list[Limit]:
    """The limit, or the two limits together, beyond which trials are broken and others are not; empty if there is none."""
    lost = set(summary.matters.broken)
    trials = [trial for trial in own(summary) if trial.number in lost or has_value(trial)]
    broken = np.array([trial.number in lost for trial in trials])
    best = np.array([summary.best is not None and trial.number == summary.best.number for trial in trials])
    sides = dict(sides_of(summary, trials))
    parted = [(rated(mask, broken, best), [limit]) for limit, mask in sides.items()]
    for one, other in combinations(sides, 2):
        if one.name != other.name:
            parted.append((rated(sides[one] & sides[other], broken, best) - BETTER, [one, other]))
    rate, limits = max(parted, key=lambda row: row[0], default=(0.0, []))
    return limits if rate >= PARTS else []


def has_value(trial: FrozenTrial) -> bool:
    """Whether it reported anything."""
    return trial.value is not None or bool(trial.intermediate_values)


def sides_of(summary: Summary, trials: list[FrozenTrial]) -> Iterator[tuple[Limit, NDArray[np.bool_]]]:
    """Every limit to try, and which trials are beyond it."""
    for name, distribution in summary.space.items():
        places = np.array([np.nan if (at := place_of(distribution, t.params.get(name))) is None else at for t in trials])
        if np.isnan(places).any():
            continue
        for place in np.unique(np.quantile(places, np.linspace(0, 1, STEPS + 2)[1:-1])):
            value = rounded(value_at(distribution, float(place)), distribution)
            exact = place_of(distribution, value)
            if exact is not None and 0 < exact < 1:
                yield Limit(name, value, True), places > exact
                yield Limit(name, value, False), places < exact


def value_at(distribution: BaseDistribution, place: float) -> float:
    """The value at a place of a range, 0..1."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    return low * (high / low) ** place if distribution.log else low + place * (high - low)


def rated(beyond: NDArray[np.bool_], broken: NDArray[np.bool_], best: NDArray[np.bool_]) -> float:
    """How well a limit parts the trials: the mean share of broken ones beyond it and of the others within; 0.5 is luck."""
    if (beyond & best).any() or broken.all():
        return 0.0
    return float(beyond[broken].mean() + (~beyond)[~broken].mean()) / 2


def narrower(distribution: BaseDistribution, limit: Limit) -> list[str]:
    """The range without what is beyond the limit."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    ends = (low, limit.value) if limit.above else (limit.value, high)
    return [*(f"{end:g}" for end in ends), *(["log"] if distribution.log else [])]
