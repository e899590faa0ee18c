"""Cells that hold any number of label names: lists, texts that read as lists, and names between separators."""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.cells import label_columns, missing, whole
from finetune.tasks.table import Table

# Separators that are guessed, the one that names hold least often first.
SEPARATORS = ("|", ";", ",")
BRACKETS = ("[]", "()", "{}")
# A list as numpy prints it: Python reads two texts without a comma as one.
NO_COMMA = re.compile(r"""(['"])\s+\1""")


def is_list(value: Any) -> bool:
    """Whether a cell is a list, or a text that is written like one, or like a tuple or a set of Python."""
    if not isinstance(value, str):
        return isinstance(value, list | tuple)
    ends = value.strip()[:1] + value.strip()[-1:]
    return ends == "[]" or ((ends in BRACKETS or value.strip() == "set()") and isinstance(_literal(value), tuple | set))


def _literal(value: str) -> Any:
    """What a text is in Python; None if it is nothing there."""
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def all_lists(values: Iterable[Any]) -> bool:
    """Whether all cells that are not empty are lists; no if all are empty."""
    kinds = {is_list(value) for value in values if not missing(value)}
    return kinds == {True}


def readable(values: Iterable[Any]) -> bool:
    """Whether all lists can be read; "[a film]" is a name."""
    try:
        return all(parsed(value) is not None for value in values)
    except ValueError:
        return False


def guessed(values: Sequence[Any]) -> str | None:
    """The first separator that a twentieth of the cells has; None if they have none."""
    texts = [value for value in values if isinstance(value, str) and not missing(value)]
    return next((mark for mark in SEPARATORS if sum(mark in text for text in texts) > len(texts) / 20), None)


def refuse_brackets(table: Table, column: str, separator: str, split: str) -> None:
    """Refuse lists in brackets that are no lists of Python or JSON, such as {a,b}, where their separator was guessed.

    Raises:
        UserError: A cell is one; the message names its row.
    """
    for row, value in enumerate(table[column]):
        text = value.strip() if isinstance(value, str) else ""
        if separator in text and text[:1] + text[-1:] in BRACKETS and not is_list(text):
            where = f"row {row + 1} of the {split} data is {text[:60]!r}, no list in JSON or Python{table.place(row)}"
            way = f"leave the brackets out, or give {arg('label_separator', separator)} if they are parts of the names"
            raise UserError(f"{label_columns([column])}: {where}; {way}")


def hint(names: Sequence[str]) -> str:
    """A line about classes that look like several names each; empty if they do not."""
    listed = [name for name in names if name.strip()[:1] + name.strip()[-1:] in BRACKETS]
    if len(listed) > len(names) / 2:
        what = f"{len(listed)} of {len(names)} classes look like lists that cannot be read, such as {listed[-1][:40]!r}"
        return f'{what}; for several labels of a text write ["a", "b"], or a|b with {arg("kind", "multilabel")}'
    for mark in SEPARATORS:
        single = {name.strip() for name in names if mark not in name}
        joined = [name for name in names if mark in name and all(part.strip() in single for part in name.split(mark))]
        if joined:
            what = f"{len(joined)} of {len(names)} classes are others between {shown(mark)!r}, such as {joined[0][:40]!r}"
            return f"{what}; {arg('kind', 'multilabel')} reads several labels of a text"
    return ""


def shown(separator: str) -> str:
    """A separator in a message, and as it is typed."""
    return {"\t": "tab"}.get(separator, separator)


def parsed(value: Any) -> list[Any]:
    """The values of a list, or of a text that is one in JSON or Python.

    Raises:
        ValueError: It is no list of texts and numbers; the message ends a sentence.
    """
    if isinstance(value, str):
        text = value.strip()
        if NO_COMMA.search(text):
            raise ValueError("is a list without commas between its names")
        try:
            value = json.loads(text)
        except ValueError:
            if (value := _literal(text)) is None:
                raise ValueError("is not a list in JSON or Python") from None
    if not isinstance(value, list | tuple | set) or any(isinstance(one, list | tuple | dict | set | bytes) for one in value):
        raise ValueError("is not a list of names")
    return list(value)


def split_up(value: Any, separator: str | None) -> list[str]:
    """The names in a cell, in their order, without blanks around them."""
    if missing(value):
        return []
    if is_list(value):
        return [str(whole(one)).strip() for one in parsed(value) if not missing(one)]
    parts = [str(value)] if separator is None or not isinstance(value, str) else value.split(separator)
    return [str(whole(part.strip())) for part in parts if part.strip()]


def read_names(table: Table, column: str, separator: str | None, split: str) -> list[list[str]]:
    """The names of each row.

    Raises:
        UserError: A cell cannot be read; the message names its row.
    """
    found = []
    for row, value in enumerate(table[column]):
        try:
            if isinstance(value, dict | bytes):
                raise ValueError("is not a list of names")
            found.append(split_up(value, separator))
        except ValueError as error:
            where = f"row {row + 1} of the {split} data"
            raise UserError(f"{label_columns([column])}: {where} {error}: {str(value)[:60]!r}{table.place(row)}") from None
    return found


def as_flags(tables: Sequence[Table], column: str) -> int:
    """How many labels there are if every cell is a list with a 0 or 1 for each of them; 0 if cells are lists of names.

    Lists of the numbers of classes never name one twice, so that [0, 0, 1] has three answers.
    """
    try:
        rows = [parsed(value) for table in tables for value in table[column] if not missing(value)]
    except ValueError:
        return 0
    sizes, values = {len(row) for row in rows}, {str(whole(one)).lower() for row in rows for one in row}
    if len(sizes) != 1 or not values <= {"0", "1", "true", "false"}:
        return 0
    return sizes.pop() if any(len(set(map(str, row))) < len(row) for row in rows) else 0
