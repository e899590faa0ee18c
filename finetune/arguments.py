"""Arguments in messages: named as Python takes them, or as options of the command line.

A message is written once, with ``arg("label_column", "y")``. Python reads ``label_column='y'`` in it, the command line
``--label-column y``.
"""

import json
import re
import shlex
from typing import Any

# A character that no name or value holds: a mark begins and ends with it.
MARK = "\x1f"
# Options with another name than their argument: Python keeps "from" for itself.
OPTIONS = {"from_study": "from"}
MARKED = re.compile(f"{MARK}(.*?){MARK}", re.DOTALL)


def arg(name: str, *value: Any) -> str:
    """An argument in a message, alone or with its value.

    Args:
        name: As Python takes it.
        value: What it is, or should be: at most one.

    Example:
        >>> as_options(f"give {arg('max_length', 64)}")
        'give --max-length 64'
        >>> as_arguments(f"give {arg('max_length', 64)}")
        'give max_length=64'
    """
    return MARK + json.dumps([name, *value], default=str) + MARK


class Line(str):
    """A printed line: reads as Python's arguments do; ``as_options`` finds the marks in its ``text``.

    Args:
        text: As it was written, with marks.
    """

    text: str

    def __new__(cls, text: str) -> "Line":
        made = super().__new__(cls, as_arguments(text))
        made.text = getattr(text, "text", text)
        return made


def as_arguments(text: str) -> str:
    """A message for people who call Python."""

    def one(found: re.Match[str]) -> str:
        name, *value = json.loads(found[1])
        return f"{name}={value[0]!r}" if value else name

    return MARKED.sub(one, text)


def as_options(text: str) -> str:
    """A message for people who type commands: ``space={"K": "1:3"}`` is ``--range K=1:3`` there."""

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
    """A value as a shell takes it; a home folder stays one."""
    home = value.startswith("~/")
    return "~/" * home + (shlex.quote(value[2 * home :]) if value[2 * home :] or not home else "")


def joined(value: Any, between: str) -> str:
    """A value as it is typed; parts of a list with ``between`` in between."""
    return between.join(map(str, value)) if isinstance(value, list) else str(value)
