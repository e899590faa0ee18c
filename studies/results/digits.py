"""How values are printed and compared: values that are equal at the printed digits count as equal everywhere."""

import math

from finetune.arguments import arg
from finetune.tasks.metrics import viewed

PLACES = 4
TRY = (
    f"try more {arg('epochs')}, another {arg('learning_rate')} or more rows, and see whether {arg('text_column')} and"
    f" {arg('label_column')} are right"
)


def places_of(maximize: bool, reference: float) -> int:
    """Decimals for all values of one metric: 4, and four significant digits for errors that are small.

    Args:
        maximize: Whether it is a score (between -1 and 1, 4 decimals) or an error, in the unit of the labels.
        reference: A typical value: that of the constant guess or of clean training.
    """
    small = math.isfinite(reference) and 0 < abs(reference) < 0.1
    return PLACES - 1 - math.floor(math.log10(abs(reference))) if small and not maximize else PLACES


def shown(value: float, places: int = PLACES) -> str:
    """The value, never "-0.0000"."""
    return f"{round(value, places) + 0.0:.{places}f}"


def gained(value: float, other: float, places: int, maximize: bool) -> float:
    """How much better a value is than another, after rounding both as printed; 0 if they are then equal."""
    difference = round(round(value, places) - round(other, places), places)
    return (difference if maximize else -difference) + 0.0


def judged(gain: float, places: int) -> str:
    """A gain in words: "+0.0120 (better)", "0.0000 (equal)"."""
    word = "better" if gain > 0 else "worse" if gain < 0 else "equal"
    return f"{'+' if gain > 0 else ''}{shown(gain, places)} ({word})"


def nothing_learned(who: str, metric: str, value: float, constant: float | None, places: int, maximize: bool) -> str | None:
    """A sentence with what to try if a value does not beat the constant guess; None if it does."""
    if constant is None or gained(value, constant, places, maximize) > 0:
        return None
    how = "worse than" if gained(value, constant, places, maximize) < 0 else "no better than"
    values = f"{metric} {shown(value, places)} is {how} the constant guess's {shown(constant, places)}"
    if viewed(metric)[0]:  # such a value says nothing about the texts as they are
        return f"{who}: {values}"
    return f"{who} learned nothing: {values}; {TRY}"
