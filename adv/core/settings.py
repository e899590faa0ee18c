"""Declared settings: every field of a method has its own domain, checked when the method is built."""

import dataclasses
import math
import re
import sys
from typing import Any

COMBINE = ("mean", "sum", "replace")
# Decimals in which numbers of epochs are compared: a third is a third, whichever way it was computed.
DECIMALS = 6
NORMS = ("matrix", "example", "token")


class SettingError(ValueError):
    """A setting outside its domain. The message names the setting, the rule and the value."""


class AttackError(RuntimeError):
    """The attack cannot act on this model (nothing matched, frozen, swallowed). The message says what to do."""


def setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    optional: bool = False,
    pattern: bool = False,
    whole: bool = False,
) -> Any:
    """Declare one field of a method.

    Args:
        default: The paper's (or the listing's) value; its type is the type of the setting.
        text: One line for tables: the meaning and the unit.
        low: Smallest allowed value.
        high: Largest allowed value.
        choices: Allowed words, for a text setting.
        optional: Whether ``None`` is allowed; such a setting is text.
        pattern: Whether the text is a regular expression.
        whole: Whether a number without a fraction is kept as an int.

    Example:
        >>> from dataclasses import dataclass
        >>> from adv import Method, setting
        >>> @dataclass(kw_only=True)
        ... class Mine(Method):
        ...     radius: float = setting(0.1, "how far", low=0)
        >>> Mine(radius=-1.0)
        Traceback (most recent call last):
            ...
        adv.core.settings.SettingError: radius must be a finite number >= 0, but is -1.0
    """
    kind = str if optional else float if whole else type(default)
    rule = {"text": text, "kind": kind, "low": low, "high": high, "choices": choices}
    rule |= {"optional": optional, "pattern": pattern, "whole": whole}
    return dataclasses.field(default=default, metadata=rule)


def rule_of(field: dataclasses.Field[Any]) -> str:
    """The domain of a field in words, for messages and tables."""
    rule = field.metadata
    if rule["choices"]:
        return "one of " + ", ".join(rule["choices"])
    if rule["pattern"]:
        return "a regular expression or nothing" if rule["optional"] else "a regular expression"
    if rule["optional"]:
        return "text or nothing"
    words = {float: "a finite number", int: "a whole number", bool: "true or false", str: "text"}[rule["kind"]]
    bounds = [f"{sign} {rule[key]:g}" for key, sign in (("low", ">="), ("high", "<=")) if rule[key] is not None]
    return " ".join([words, " and ".join(bounds)]).strip()


def is_pattern(text: str) -> bool:
    """Whether ``text`` is a regular expression."""
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def check(name: str, field: dataclasses.Field[Any], value: Any) -> Any:
    """Return ``value`` in the field's type.

    Raises:
        SettingError: The value has another type, is not finite, or is outside the domain.
    """
    rule = field.metadata
    if value is None and rule["optional"]:
        return None
    kind = rule["kind"]
    if kind is float and type(value) is int and abs(value) <= sys.float_info.max:
        value = float(value)
    good = type(value) is kind
    if good and kind in (int, float):
        good = math.isfinite(value)
        good = good and (rule["low"] is None or value >= rule["low"]) and (rule["high"] is None or value <= rule["high"])
    if good and rule["choices"]:
        good = value in rule["choices"]
    if good and rule["pattern"]:
        good = is_pattern(value)
    if not good:
        raise SettingError(f"{name} must be {rule_of(field)}, but is {value!r}")
    return without_fraction(value) if rule["whole"] else value


def without_fraction(value: float) -> float:
    """A number of epochs; an int if it has no fraction, up to rounding.

    Example:
        >>> without_fraction(1.0), without_fraction(1.5), without_fraction(3 * 0.3333333333333333)
        (1, 1.5, 1)
    """
    whole = round(value)
    return whole if abs(value - whole) < 0.1**DECIMALS else value
