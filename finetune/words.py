"""Counts, shares, numbers and lists in words: each is written here, once."""

from collections.abc import Iterable, Sequence
from typing import Any

# A message lists at most this many choices.
CHOICES = 20


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "row"), counted(2, "row"), counted(3, "class", "classes")
        ('1 row', '2 rows', '3 classes')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """A share in per cent, never rounded to 0 or 100.

    Example:
        >>> share(1, 3), share(1, 5000), share(4999, 5000), share(0, 0)
        ('33.3 %', 'under 0.1 %', '99.9 %', '0 %')
    """
    value = 100 * part / max(whole, 1)
    if 0 < value < 0.1:
        return "under 0.1 %"
    return f"{min(value, 99.9) if part < whole else value:.3g} %"


def short(value: Any, digits: int = 4) -> str:
    """A fraction with this many significant digits; anything else as it is.

    Example:
        >>> short(0.123456), short(1e-7, 3), short(12), short("mean")
        ('0.1235', '1e-07', '12', 'mean')
    """
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words in a sentence.

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")
        ('a', 'a and b', 'a, b or c')
    """
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def some(words: Sequence[str], most: int) -> str:
    """The first words of a list; if it is longer, an ellipsis stands for the rest.

    Example:
        >>> some(["a", "b", "c"], 2), some(["a", "b"], 2)
        ('a, b, ...', 'a, b')
    """
    return ", ".join([*words[:most], *(["..."] if len(words) > most else [])])


def choices(words: Iterable[str]) -> str:
    """Choices in alphabetical order.

    Example:
        >>> choices({"fgm", "awp"})
        'awp, fgm'
    """
    return some(sorted(words), CHOICES)
