"""Errors that a user can correct: one or two lines, no traceback."""

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from finetune.arguments import as_arguments
from finetune.words import choices


class UserError(Exception):
    """Bad input. The message says what is wrong, where, the value, and what would be right.

    Messages name arguments with ``arg(name)``: ``str(error)`` is the message for Python users, and
    ``as_options(error.text)`` the one for users of the command line.
    """

    @property
    def text(self) -> str:
        """The message with its marks, to be rendered or put into another message."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return as_arguments(self.text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class Diverged(ArithmeticError):
    """Training gave values that are not finite: the fault of a setting, not of the program."""


def near(word: str, words: Iterable[str]) -> str:
    """The end of a message: the nearest word as a question, or the choices if no word is near."""
    known = sorted(filter(None, words))
    close = difflib.get_close_matches(word, known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; choose from {choices(known)}" if known else ""


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn a failed write into one line that says what to do.

    Args:
        what: The argument and its value, such as ``arg("out", "runs")``, or a file.

    Raises:
        UserError: Writing raised an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        hint = "; free some space and run the same command again" if full else ""
        raise UserError(f"{what} cannot be written: {error.strerror or error}{hint}") from None
