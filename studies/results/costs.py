"""What makes a run expensive: the cost that its passes have, over the searched space.

Seconds would tell the same with noise: a busy machine, a trial that a kill interrupted, clean epochs that were shared. The
passes of a method are known exactly from its settings, so nothing has to be told from chance.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution

from adv import SettingError
from finetune.errors import UserError
from finetune.words import listed, short
from spaces import Space
from studies.results.contenders import plan_of
from studies.results.summary import Summary
from studies.results.trials import complete
from studies.running.estimate import passes_in
from studies.running.sampling import at, spread

# Points of the space, and values of each setting with the others at the method's defaults.
POINTS, VALUES = 256, 33
# A setting with a smaller share is not named.
NAMED = 0.05
# With fewer complete trials, seconds are not compared with passes.
TIMED = 5
Reckon = Callable[[Mapping[str, Any]], float]
# Settings that exclude each other, or that the method does not know.
UNKNOWN = (SettingError, UserError, TypeError, AttributeError)


@dataclass(frozen=True)
class Costly:
    """What one setting does to the cost of a run, where clean training with the same recipe costs 1.

    Args:
        name: The setting.
        share: Share of the variance of the cost over the searched space that is gone if this setting is fixed, 0..1.
        cheap: The value with the lowest cost, with the others at the method's defaults.
        dear: The value with the highest cost.
        low: The lowest cost.
        high: The highest cost.
    """

    name: str
    share: float
    cheap: Any
    dear: Any
    low: float
    high: float


def reckoned(summary: Summary) -> Reckon:
    """A function from searched settings to the cost of a run by its passes; nan for settings that exclude each other."""
    plan = plan_of(summary.about)
    usual = plan.epochs_of(plan.recipe)

    def cost(params: Mapping[str, Any]) -> float:
        try:
            method, recipe = plan.build(dict(params))
        except UNKNOWN:
            return math.nan
        return passes_in(method, plan.epochs_of(recipe)) / usual

    return cost


def defaults_of(summary: Summary) -> dict[str, Any] | None:
    """The defaults of the searched settings; None if the method does not know them all, as in a study of another version."""
    try:
        return plan_of(summary.about).defaults()
    except UNKNOWN:
        return None


def costs_of(summary: Summary) -> list[Costly]:
    """What each searched setting does to the cost, the largest share first; without settings that do nothing to it."""
    space = {name: each for name, each in sorted(summary.space.items()) if not each.single()}
    usual = defaults_of(summary)
    if not space or usual is None:
        return []
    cost = reckoned(summary)
    fixed = {name: value for name, value in usual.items() if name not in space}
    found = []
    for name, share in shares(space, lambda params: cost(fixed | dict(params))).items():
        tried = values_of(space, name)
        known = [(cost(usual | {name: value}), index) for index, value in enumerate(tried)]
        known = [pair for pair in known if not math.isnan(pair[0])]
        if share > 0 and known:
            low, cheap = min(known)
            high, dear = max(known, key=lambda pair: pair[0])
            found.append(Costly(name, share, tried[cheap], tried[dear], low, high))
    return sorted(found, key=lambda each: (-each.share, each.name))


def shares(space: Space, cost: Reckon) -> dict[str, float]:
    """Each setting's total share of the variance over the space (Jansen 1999): what it does alone and with others."""
    from scipy.stats.qmc import Sobol

    count = len(space)
    points = Sobol(2 * count, rng=0).random(POINTS)
    one, other = points[:, :count], points[:, count:]
    base, found = reckoned_at(space, cost, one), dict.fromkeys(space, 0.0)
    varies = float(np.var(base[np.isfinite(base)])) if np.isfinite(base).any() else 0.0
    if not varies:
        return found
    for index, name in enumerate(space):
        mixed = one.copy()
        mixed[:, index] = other[:, index]
        differs = base - reckoned_at(space, cost, mixed)
        known = differs[np.isfinite(differs)]
        found[name] = min(1.0, float(np.square(known).mean()) / (2 * varies)) if len(known) else 0.0
    return found


def reckoned_at(space: Space, cost: Reckon, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cost at each point of the unit cube."""
    return np.array([cost(spread(space, point)) for point in points])


def values_of(space: Space, name: str) -> list[Any]:
    """Values of a setting, evenly over its range."""
    distribution = space[name]
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return list(dict.fromkeys(at(distribution, u) for u in np.linspace(0, 1 - 1e-9, VALUES)))


def decided(summary: Summary) -> str | None:
    """Which settings decide what a trial costs; None if no attack is searched."""
    usual = defaults_of(summary)
    if not summary.space or summary.about["method"] == "none" or usual is None:
        return None
    named = [each for each in summary.costs if each.share >= NAMED]
    if not named:
        each = reckoned(summary)(usual)
        return f"no searched setting changes what a trial costs ({each:.2f}x clean training, by its passes)"
    ranges = [f"({each.low:.2f}x at {short(each.cheap, 3)}, {each.high:.2f}x at {short(each.dear, 3)})" for each in named]
    words = [f"{each.name} {range_}" for each, range_ in zip(named, ranges, strict=True)]
    then = f", then {listed(words[1:])}" if words[1:] else ""
    return f"{named[0].name} decides what a trial costs {ranges[0]}{then}, where clean training is 1x, by passes"


def measured(summary: Summary) -> str | None:
    """How measured seconds compare with passes; None if there are too few."""
    cost, clean = reckoned(summary), sum(epoch.seconds for epoch in summary.baseline)
    trials = [trial for trial in complete(summary) if not summary.foreign(trial)]
    timed = [(cost(trial.params), trial.user_attrs.get("seconds")) for trial in trials]
    ratios = [seconds / (passes * clean) for passes, seconds in timed if seconds and passes > 0 and clean > 0]
    if len(ratios) < TIMED:
        return None
    low, high = np.quantile(ratios, (0.1, 0.9))
    how = f"a trial took {median(ratios):.2f} of the seconds that its passes say (80 % of them {low:.2f} to {high:.2f})"
    return f"{how}: passes are without validation, and seconds with whatever else the machine did"
