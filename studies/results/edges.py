"""Where the best trial lies at the edge of a searched range: the setting, and the range to try."""

import dataclasses
import math
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from adv import METHODS
from finetune.arguments import arg
from finetune.config import Recipe, checked
from finetune.errors import UserError
from finetune.words import listed, short
from studies.planning.calibrated import whence
from studies.planning.part import Part
from studies.planning.words import from_to
from studies.results.summary import Summary
from studies.results.trials import complete, value_of

# The share of a range, at each end, that is its edge.
EDGE = 0.05
# A setting that does nothing puts the best at an edge by luck; more than half of so many best trials near it are no luck.
BEST, NEAR = 5, 0.25


def edges(summary: Summary) -> list[str]:
    """A line about the ranges that the best trial touches, unless what lies beyond is not allowed; else nothing."""
    best = summary.best
    if best is None or summary.foreign(best) or not Part.of_study(summary.about).whole:  # parts take no trials over
        return []
    places, tried = list[str](), dict[str, list[str]]()
    for name, distribution in summary.space.items():
        place = place_of(distribution, best.params.get(name))
        if place is None or EDGE < place < 1 - EDGE:
            continue
        upper = place > 0.5
        if not crowded(summary, name, distribution, upper):
            continue
        wider = beyond(summary, name, distribution, upper)
        if wider is None:
            continue
        at = f"{short(best.params[name], 3)} in {from_to(distribution)}{whence(summary.measured, name)}"
        places.append(f"at the {'upper' if upper else 'lower'} edge of {name} ({at})")
        tried[name] = wider
    if not tried:
        return []
    study = summary.study.study_name
    again = f"{arg('space', tried)} {arg('study', f'{study}-wider')} {arg('from_study', study)}"
    return [f"the best trial is {listed(places)}: better values may lie beyond; try {again}"]


def place_of(distribution: BaseDistribution, value: Any) -> float | None:
    """The place of a value in a range of numbers, 0..1; None for choices and ranges of two values or fewer."""
    if not isinstance(distribution, FloatDistribution | IntDistribution) or isinstance(value, str | bool | None):
        return None
    low, high = float(distribution.low), float(distribution.high)
    if high <= low or (distribution.step is not None and high - low < 2 * distribution.step):
        return None
    return math.log(value / low) / math.log(high / low) if distribution.log else (value - low) / (high - low)


def crowded(summary: Summary, name: str, distribution: BaseDistribution, upper: bool) -> bool:
    """Whether more than half of the five best trials lie near this end; with fewer trials, nobody can tell."""
    inside = [trial for trial in complete(summary) if not summary.foreign(trial)]
    ranked = sorted(inside, key=lambda trial: value_of(trial) or 0.0, reverse=summary.maximize)
    places = [place for trial in ranked[:BEST] if (place := place_of(distribution, trial.params.get(name))) is not None]
    near = sum((place >= 1 - NEAR) if upper else (place <= NEAR) for place in places)
    return len(places) == BEST and 2 * near > BEST


def beyond(summary: Summary, name: str, distribution: BaseDistribution, upper: bool) -> list[str] | None:
    """The range with more room at one end; None if nothing beyond is allowed.

    It is half as wide again, at most a decade; a measured range ends at the latest where the declared one does.
    """
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        factor = min(10.0, math.sqrt(high / low))
        wide = (low, high * factor) if upper else (low / factor, high)
    else:
        room = (high - low) / 2
        wide = (low, high + room) if upper else (low - room, high)
    whole = isinstance(distribution, IntDistribution)
    least = 1.0 if whole and distribution.log else -math.inf
    floor, ceiling = limits(summary, name)
    low_end, high_end = max(rounded(wide[0], distribution), floor, least), min(rounded(wide[1], distribution), ceiling)
    end, new = (high, high_end) if upper else (low, low_end)
    little = not distribution.log and abs(new - end) < EDGE * (high - low)
    if little or (new <= end if upper else new >= end) or not legal(summary, name, new, whole):
        return None
    ends = [f"{low:g}", f"{high_end:g}"] if upper else [f"{low_end:g}", f"{high:g}"]
    return [*ends, *(["log"] if distribution.log else [])]


def rounded(value: float, distribution: BaseDistribution) -> float:
    """A bound of a range as people write it; a multiple of the range's step, if it has one."""
    step = getattr(distribution, "step", None)
    return float(f"{value:.2g}") if step is None else float(step * round(value / step))


def limits(summary: Summary, name: str) -> tuple[float, float]:
    """The smallest and the largest value of a setting that may be tried, as far as it says."""
    if name == "start_epoch":  # the last epochs are for the attack to act
        per = 1 if isinstance(summary.space.get(name), IntDistribution) else summary.per
        return 0.0, summary.about["recipe"]["epochs"] - 1 - 1 / per
    fields = {field.name: field for field in dataclasses.fields(METHODS[summary.about["method"]])}
    given = fields[name].metadata if name in fields else {}
    low, high = (wide if given.get(end) is None else given[end] for end, wide in (("low", -math.inf), ("high", math.inf)))
    if whence(summary.measured, name):
        declared, now = summary.about["space"][name]["attributes"], summary.space[name]
        assert isinstance(now, FloatDistribution)
        low = max(low, declared["low"]) if declared["low"] < now.low else low
        high = min(high, declared["high"]) if declared["high"] > now.high else high
    return low, high


def legal(summary: Summary, name: str, value: float, whole: bool) -> bool:
    """Whether a value of the recipe is allowed; the user's own loop takes any positive one."""
    if name not in Recipe.model_fields or "loop" in summary.about["data"]:
        return True
    try:
        checked(Recipe, {name: int(value) if whole else value})
    except UserError:
        return False
    return True
