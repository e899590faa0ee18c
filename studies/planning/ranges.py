"""Ranges as people write them."""

from typing import Any

from finetune.errors import UserError

FORM = "LOW:HIGH or LOW:HIGH:log"


def parse_range(where: str, value: Any, kind: type) -> tuple[Any, Any, bool]:
    """The bounds of LOW:HIGH or LOW:HIGH:log, given as text or a tuple, and whether the range is logarithmic.

    Raises:
        UserError: The form is wrong, the range is empty or inverted, or a logarithmic one does not start above 0.
    """
    parts = value.split(":") if isinstance(value, str) else list(map(str, value)) if isinstance(value, list | tuple) else []
    try:
        low, high = kind(parts[0]), kind(parts[1])
        if len(parts) > 3 or (len(parts) == 3 and parts[2] != "log") or low != low or high != high:
            raise ValueError
    except (ValueError, IndexError):
        numbers = "whole numbers" if kind is int else "numbers"
        raise UserError(f"{where}: {value!r} is not a range; write {FORM}, with {numbers}") from None
    log = len(parts) == 3
    if low >= high:
        raise UserError(f"{where}: the range is empty, {parts[0]} is not below {parts[1]}")
    if log and low <= 0:
        raise UserError(f"{where}: a logarithmic range starts above 0, not at {parts[0]}")
    return low, high, log
