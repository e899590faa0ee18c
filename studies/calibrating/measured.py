"""Ranges measured on clean training: what a study stores, and the line that says it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from adv import METHODS, AttackError, SettingError
from finetune.arguments import arg
from finetune.errors import Diverged
from finetune.training.loop import Training
from finetune.words import counted, listed, short
from spaces import Space
from studies.calibrating.curve import ATTACKED, Bed
from studies.calibrating.limits import Limits, NoRadius, limits_of
from studies.calibrating.strength import Strength, strength_of
from studies.planning.plan import Plan

# Clean training after so many evaluations.
State = Callable[[int], Training]
# Significant digits of the ends: what is different in the digits after them on another machine is the same range.
DIGITS = 2


def trained_until(count: int, training: Training, file: Path | None) -> Training:
    """The run after so many evaluations: read from the file, or else trained."""
    if count and not (file is not None and training.load(file)):
        for epoch in training.epochs():
            if epoch.number + 1 == count:
                break
    return training


def measure(plan: Plan, state: State, after: int) -> dict[str, Any] | None:
    """Measure where the attack of a plan matters: on the untrained model, and on one that has trained clean.

    Args:
        plan: What is searched.
        state: Clean training after so many evaluations.
        after: After how many the attack is tried.

    Returns:
        What the study stores: ``ranges`` by setting, the curve and the reason. None if no strength is searched.
    """
    strength, own = strength_of(plan.method, plan.space, plan.fixed, plan.ranged), given(plan)
    if strength is None:
        return {"names": [], "ranges": {}, "why": f"{as_given(own)}, not measured"} if own else None
    try:
        limits = limits_of(strength, Bed(state(0), after), Bed(state(after), after))
    except NoRadius:
        words = "in the declared range: this weighs a term of the loss and moves nothing further, so no radius is measured"
    except (AttackError, Diverged, SettingError) as error:
        words = f"in the declared range: nothing could be measured ({error})"
    except torch.OutOfMemoryError:
        words = "in the declared range: nothing could be measured (out of memory)"
    else:
        return record_of(strength, limits, plan.space, f"after {epochs_of(after / plan.recipe.evals_per_epoch)}", own)
    return {"names": list(strength.names), "ranges": {}, "why": f"{listed(strength.names)} {words}"}


def given(plan: Plan) -> list[str]:
    """Settings of the attack's strength for which the user gave a value or a range."""
    null = {name for group in METHODS[plan.method].null for name in group}
    return sorted(null & (plan.ranged | plan.fixed.keys()))


def as_given(names: list[str]) -> str:
    """Settings that the user gave, in words."""
    return f"{listed(names)} as you gave {'it' if len(names) == 1 else 'them'}"


def epochs_of(count: float) -> str:
    """A number of clean epochs."""
    return f"{count:g} clean {'epoch' if count == 1 else 'epochs'}"


def record_of(strength: Strength, limits: Limits, space: Space, after: str, own: list[str]) -> dict[str, Any]:
    """The limits as JSON values, with the ranges that they leave of the space."""
    ranges = {}
    for name in strength.names:
        declared: Any = space[name]
        ends = [min(max(float(f"{end:.{DIGITS}g}"), declared.low), declared.high) for end in (limits.low, limits.high)]
        if ends[0] < ends[1] and ends != [declared.low, declared.high]:
            ranges[name] = ends
    parts = [f"{name} {low:g} to {high:g} ({declared_of(space[name])})" for name, (low, high) in ranges.items()]
    if rest := [name for name in strength.names if name not in ranges]:
        parts.append(f"{listed(rest)} in the declared range")
    parts += [as_given(own)] if own else []
    curve = [[point.strength, point.rise, point.spread] for point in limits.points]
    told = {name: getattr(limits, name) for name in ("low", "high", "zero", "untrained", "noise", "room")}
    words = f"{listed(parts)}: {why(strength, limits, after)}"
    return {"names": list(strength.names), "ranges": ranges, "curve": curve, **told, "why": words}


def declared_of(distribution: Any) -> str:
    """The ends of a declared range."""
    return f"declared {distribution.low:g} to {distribution.high:g}"


def why(strength: Strength, limits: Limits, after: str) -> str:
    """What was measured, in words."""
    where = f"on {counted(min(ATTACKED, limits.batches), 'batch', 'batches')} {after}"
    zero, untrained = short(limits.zero, 3), short(limits.untrained, 3)
    if limits.batches < 2:
        return f"{after} there is one batch, which shows no noise, so nothing can be measured"
    if not limits.room:
        where = f"on {counted(limits.batches, 'batch', 'batches')} {after}"
        return f"{where} the loss {zero} is not clearly below the untrained model's {untrained}, so nothing can be measured"
    some = f" on one of {strength.every} batches" if strength.every > 1 else ""
    high = f"an attack of {limits.high:.2g}{some} takes all that was learned (loss {zero}, untrained {untrained})"
    if limits.high >= strength.high:
        high = f"even the strongest attack{some} leaves some of what was learned (loss {zero}, untrained {untrained})"
    low = f", and one below {limits.low:.2g} drowns in the batches' noise" if limits.low > strength.low else ""
    return f"{where} {high}{low}"


def line_of(found: dict[str, Any]) -> str:
    """The line about the ranges that a study searches.

    Args:
        found: What ``measure`` returned.
    """
    way = f"; {arg('calibrate', False)} takes the declared ranges" if found["ranges"] else ""
    return f"searched: {found['why']}{way}"
