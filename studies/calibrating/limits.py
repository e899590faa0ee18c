"""Where an attack begins to be felt, and where it takes away what clean training has learned."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from studies.calibrating.curve import Bed, Point, point_at
from studies.calibrating.strength import Strength

# The top: an attack that takes this share of what clean training has won over the untrained model.
SHARE = 1.0
# Clean training is better than none if its gain is so many standard errors over the batches.
SURE = 2.0
# So many strengths are tried on the way to each limit.
HIGH, LOW = 3, 2
# The bottom is at least so far below the top, and where the declared range ends before that, the top so far above it.
BELOW, ABOVE = 10.0, 2.0
# Between two strengths the rise is a power of the strength, with an exponent in these bounds.
SLOPES = (0.3, 3.0)
# Ratios of rise to strength that differ by less are the same.
PROPORTIONAL = 1.001
# A step in strength that is smaller than this factor changes nothing, and one larger is not taken at once.
SAME, FAR = 1.15, 30.0


class NoRadius(Exception):
    """The settings weigh a term of the objective: at 0 the attack moves as far as ever."""


@dataclass(frozen=True)
class Limits:
    """What was measured.

    Args:
        low: The strength from which on the attack is felt; the lower end if it is felt everywhere.
        high: The strength at which it takes too much; the upper end if it nowhere does.
        points: The curve, by strength.
        zero: The objective of the clean model at strength 0.
        untrained: The same for the untrained model.
        noise: A rise that drowns in the noise of an epoch's batches.
        room: The largest rise that does not take too much; 0 if clean training is not clearly better than none.
        batches: On how many batches clean and untrained model were compared.
    """

    low: float
    high: float
    points: list[Point]
    zero: float
    untrained: float
    noise: float
    room: float
    batches: int = 0


def limits_of(strength: Strength, start: Bed, clean: Bed) -> Limits:
    """Measure the curve on a clean model, and find both limits.

    Args:
        strength: What makes the attack stronger.
        start: The untrained model.
        clean: The model after some clean training, with the same batches.

    Raises:
        AttackError: The attack does not work with this model.
        NoRadius: The settings make nothing move further.
    """
    method = strength.at(0.0)
    zero, plain, before = clean.objectives(method), clean.losses(), start.losses()
    many = len(plain)
    moved = method.diagnostics().get("relative")
    if moved:
        raise NoRadius
    if not all(map(math.isfinite, (*zero, *plain, *before))):
        return Limits(strength.low, strength.high, [], fmean(plain), fmean(before), 0.0, 0.0, many)
    # With combine="sum" the objective is a multiple of the loss.
    times = fmean(zero) / (fmean(plain[: len(zero)]) or 1.0)
    level, untrained = times * fmean(plain), times * fmean(before)
    noise = abs(times) * spread(plain) / math.sqrt(clean.steps)
    gains = [times * (old - new) for old, new in zip(before, plain, strict=True)]
    # A gain that drowns in the noise leaves no range above it, and a single batch tells neither.
    sure = many > 1 and fmean(gains) > max(SURE * spread(gains) / math.sqrt(many), noise)
    points: dict[float, Point] = {}

    def rise(value: float) -> float:
        if value not in points:
            points[value] = point_at(value, clean.objectives(strength.at(value)), zero, strength.every)
        return points[value].rise

    if not sure:
        return Limits(strength.low, strength.high, [], level, untrained, noise, 0.0, many)
    middle, room = math.sqrt(strength.low * strength.high), SHARE * (untrained - level)
    high = crossing(rise, strength, room, middle, HIGH)
    low = crossing(rise, strength, noise, middle, LOW, points) if strength.caps and noise > 0 else strength.low
    if moved is None and weighs(points.values()):
        raise NoRadius
    low = max(strength.low, min(low, high / BELOW))
    high = min(strength.high, max(high, low * ABOVE))
    return Limits(low, high, [points[value] for value in sorted(points)], level, untrained, noise, room, many)


def spread(values: Sequence[float]) -> float:
    """The standard deviation; 0 of a single value."""
    return stdev(values) if len(values) > 1 else 0.0


def crossing(
    rise: Callable[[float], float],
    strength: Strength,
    target: float,
    first: float,
    tries: int,
    known: dict[float, Point] | None = None,
) -> float:
    """The strength at which the rise reaches a target, at most the ends of the range."""
    seen = [] if known is None else [(point.strength, point.rise) for point in known.values()]
    at = within(guess(seen, target, strength), seen, target, strength) if seen else first
    for _ in range(tries):
        seen.append((at, rise(at)))
        after = guess(seen, target, strength)
        if 1 / SAME < after / at < SAME and seen[-1][1] < math.inf:
            return after
        at = within(after, seen, target, strength)
    return at


def guess(seen: Sequence[tuple[float, float]], target: float, strength: Strength) -> float:
    """The strength in the range that reaches the target, from the two points that are nearest to it."""
    near = sorted((p for p in seen if 0 < p[1] < math.inf), key=lambda p: abs(math.log(p[1] / target)))
    if not near:
        return min(max(seen)[0] * FAR, strength.high) if max(seen)[1] <= 0 else max(min(seen)[0] / FAR, strength.low)
    slope, (value, height) = 1.0, near[0]
    if len(near) > 1 and near[1][0] != value:
        slope = math.log(height / near[1][1]) / math.log(value / near[1][0])
    factor: float = (target / height) ** (1 / min(max(slope, SLOPES[0]), SLOPES[1]))
    return min(max(value * min(max(factor, 1 / FAR), FAR), strength.low), strength.high)


def within(guessed: float, seen: Sequence[tuple[float, float]], target: float, strength: Strength) -> float:
    """The guess, if it lies between what is too weak and what is too strong; else the middle of these."""
    weak = [value for value, height in seen if height < target]
    low = max(weak, default=strength.low)
    strong = [value for value, height in seen if height >= target and value > low]
    high = min(strong, default=strength.high)
    seen_before = (weak and guessed <= low < high) or (strong and guessed >= high)
    return math.sqrt(low * high) if seen_before else guessed


def weighs(points: Iterable[Point]) -> bool:
    """Whether the rise is the strength times a number, as that of a weighted term is."""
    ratios = [point.rise / point.strength for point in points]
    return len(ratios) > 1 and min(ratios) > 0 and max(ratios) / min(ratios) < PROPORTIONAL
