"""The settings of a method that make its attack stronger, as one number."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from optuna.distributions import FloatDistribution

from adv import METHODS, Method
from adv.steps.spaced import Spaced
from spaces import RECIPE, Space


@dataclass(frozen=True)
class Strength:
    """The settings that make an attack vanish at zero (``Method.null``) and are searched: they rise and fall together.

    Args:
        method: A key of ``adv.METHODS``.
        names: The settings.
        low: The smallest searched value of any of them.
        high: The largest.
        others: All other settings of the method.
        caps: Whether nothing else that is searched makes the attack stronger: the settings are a ball, or all there is.
        every: One of so many batches is attacked; here each is.
    """

    method: str
    names: tuple[str, ...]
    low: float
    high: float
    others: dict[str, Any]
    caps: bool
    every: int = 1

    def at(self, value: float) -> Method:
        """The method at a strength; 0 is clean training."""
        return METHODS[self.method](**(self.others | dict.fromkeys(self.names, value)))


def strength_of(method: str, space: Space, fixed: dict[str, Any], given: Iterable[str] = ()) -> Strength | None:
    """The strength of a method's attack; None if nothing of it is searched.

    Settings beside it have their default, moved into their range. Those that only lead up to a ball, such as the length of
    a step, are at their largest, so that the ball alone decides.

    Args:
        method: A key of ``adv.METHODS``.
        space: What is searched.
        fixed: Settings that are not searched.
        given: Settings whose range the user gave: they stay as they are, and are at their largest here.
    """
    kind, given = METHODS[method], set(given)
    null = {name for group in kind.null for name in group}
    floats = {name: each for name, each in space.items() if isinstance(each, FloatDistribution) and name not in RECIPE}
    names = tuple(name for name, each in floats.items() if name in null - given and each.log)
    if not names:
        return None
    reach = kind(**fixed).reach()
    ball = reach is not None and reach.setting in names
    usual, others = kind(**fixed), dict(fixed)
    for name, each in space.items():
        if name in names or name in RECIPE or name == "start_epoch":
            continue
        if name in floats and (ball or name in null):
            others[name] = floats[name].high
        elif isinstance(each, FloatDistribution):
            others[name] = min(max(getattr(usual, name), each.low), each.high)
        else:
            others[name] = getattr(usual, name)
    low, high = min(floats[name].low for name in names), max(floats[name].high for name in names)
    alone = not any(name not in names and name not in null and name != "start_epoch" for name in floats)
    every = others.pop("every", 1) if issubclass(kind, Spaced) else 1
    return Strength(method, names, low, high, others | {"start_epoch": 0}, ball or alone, every)
