"""Arguments in messages: named as in Python, or as options of the command line.

A message is written once, with ``arg("label_column", "y")``. Python users read ``label_column='y'`` in it, users of the
command line ``--label-column y``.
"""

import json
import re
import shlex
from typing import Any

# A character that occurs in no name or value: a mark begins and ends with it.
MARK = "\x1f"
# Options with another name than their argument: "from" is a keyword of Python, "all" a function.
OPTIONS = {"from_study": "from", "everything": "all"}
MARKED = re.compile(f"{MARK}(.*?){MARK}", re.DOTALL)


def arg(name: str, *value: Any) -> str:
    """An argument in a message, with or without its value.

    Args:
        name: Its name in Python.
        value: The value that it has, or should have; at most one.

    Example:
        >>> as_options(f"give {arg('max_length', 64)}")
        'give --max-length 64'
        >>> as_arguments(f"give {arg('max_length', 64)}")
        'give max_length=64'
    """
    return MARK + json.dumps([name, *value], default=str) + MARK


class Line(str):
    """A printed line that names arguments as in Python; ``as_options`` finds the marks in its ``text``.

    Args:
        text: The line with its marks.
    """

    text: str

    def __new__(cls, text: str) -> "Line":
        made = super().__new__(cls, as_arguments(text))
        made.text = getattr(text, "text", text)
        return made


def as_arguments(text: str) -> str:
    """The message for Python users."""

    def one(found: re.Match[str]) -> str:
        name, *value = json.loads(found[1])
        return f"{name}={value[0]!r}" if value else name

    return MARKED.sub(one, text)


def as_options(text: str) -> str:
    """The message for users of the command line, where ``space={"K": "1:3"}`` is ``--range K=1:3``."""

    def one(found: re.Match[str]) -> str:
        name, *value = json.loads(found[1])
        if value and isinstance(value[0], dict):
            option = "--range" if name == "space" else flag(name)
            pairs = [f"{key}={joined(part, ':')}" for key, part in value[0].items()]
            return " ".join(f"{option} {typed(pair)}" for pair in pairs)
        if value and value[0] is False:
            return flag(f"no_{name}")
        return " ".join([flag(name), *(typed(joined(part, ",")) for part in value if part is not True)])

    return MARKED.sub(one, getattr(text, "text", text))


def flag(name: str) -> str:
    """The option of an argument."""
    return "--" + OPTIONS.get(name, name.replace("_", "-"))


def typed(value: str) -> str:
    """A value, quoted for a shell; ``~/`` at its start still means the home folder."""
    home = value.startswith("~/")
    return "~/" * home + (shlex.quote(value[2 * home :]) if value[2 * home :] or not home else "")


def joined(value: Any, between: str) -> str:
    """A value as it is typed; the parts of a list are joined by ``between``."""
    return between.join(map(str, value)) if isinstance(value, list) else str(value)
