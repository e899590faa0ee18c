"""Errors that a user can mend: one or two lines, no traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input. The message says what, where, the value, and what would be right."""


class Diverged(ArithmeticError):
    """Training left the finite numbers: information about a setting, not a fault of the program."""


def near(word: str, words: Iterable[str]) -> str:
    """The end of a message: a question with the nearest word, or the choices where none is near."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; choose from {', '.join(known)}" if known else ""


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
