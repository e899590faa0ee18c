"""Cells of a table: texts, numbers, and what is missing."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from finetune.arguments import arg

# The square of a larger target exceeds float32.
LARGEST = 1e18
# Signs, a point, a power of ten; no leading zeros, which mean that the number is a name.
WHOLE = r"[+-]?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d{1,2})?"
# What a cell of a label's own column may be; a cross stands among empty cells. Single letters may be names, too.
FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "1.0": True, "0.0": False}
LETTERS = {"x": True, "y": True, "t": True, "n": False, "f": False}
PAIRS = ({"y", "n"}, {"t", "f"}, {"x"})
# So many columns are named in a message.
SHOWN = 8


def text(value: Any) -> str:
    """A cell as a text; the empty text if the cell is empty."""
    return "" if value is None or value != value else str(value)


def missing(value: Any) -> bool:
    """Whether a cell has no label; pandas writes a missing one as "nan"."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan")) or bool(value != value)


def number(value: Any) -> float | None:
    """The cell as a finite number below ``LARGEST``; None if it is not such a number."""
    return float(value) if is_number(value) and abs(float(value)) < LARGEST else None


def flag(value: Any) -> bool | None:
    """A cell that means yes or no: 1 or 0, true or false, y or n, x; None if it means neither."""
    return (FLAGS | LETTERS).get(str(whole(value)).strip().lower())


def answers(values: Iterable[Any], letters: bool = True) -> bool:
    """Whether all these cells mean yes or no, by numbers, words, or letters that belong together."""
    rest = {str(whole(value)).strip().lower() for value in values} - FLAGS.keys()
    return not rest or (letters and any(rest <= pair for pair in PAIRS))


def is_number(value: Any) -> bool:
    """Whether the text reads as a number; "1_000" does not, and "nan" does."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return "_" not in str(value)


def whole(value: Any) -> Any:
    """Write a whole number such as 1.0, +1 or 1e0 as 1; every other value stays as it is, 007 and 0.5 too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(WHOLE, value) and float(value).is_integer():
        return str(int(float(value))) if re.search("[.e]", value.lower()) else value.removeprefix("+")
    return value


def label_columns(columns: Sequence[str]) -> str:
    """The argument that names the label column or columns."""
    more = ["..."] if len(columns) > SHOWN else []
    return arg("label_column", columns[0] if len(columns) == 1 else [*columns[: SHOWN - 2 * len(more)], *more])
