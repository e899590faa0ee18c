"""JSON: lines, a list of objects, an object with such a list inside, or an object of columns."""

import json
import math
from collections.abc import Sequence
from typing import Any

from finetune.errors import UserError
from finetune.tasks.table import Table

BLANK = " \t\r\n"


class Twice(ValueError):
    """An object that names a key twice."""


def read_json(text: str, name: str, named: Sequence[str]) -> Table:
    """The rows of a JSON file; a row without a key has None there.

    Args:
        text: The whole text.
        name: The file's name, for messages.
        named: Columns that the data names; they tell an object of columns from an object of rows.

    Raises:
        UserError: The text is not JSON, or has no rows.
    """
    values, lines = _values(text, name)
    if len(values) == 1 and isinstance(values[0], list):
        values, lines = values[0], []
    elif len(values) == 1 and isinstance(values[0], dict):
        inside = _inside(values[0], named)
        if inside is not None:
            values, lines = inside, []
    for row, value in enumerate(values):
        if not isinstance(value, dict):
            where = f"line {lines[row]}" if lines else f"item {row + 1}"
            raise UserError(f"{name}: {where} is {str(value)[:40]!r}, not an object with a value for each column")
    keys = dict.fromkeys(key for value in values for key in value)
    return Table({key: [cell_of(value.get(key)) for value in values] for key in keys}, lines=lines)


def _values(text: str, name: str) -> tuple[list[Any], list[int]]:
    decoder = json.JSONDecoder(object_pairs_hook=once)
    values, lines, at, line, counted = list[Any](), list[int](), 0, 1, 0
    try:
        while True:
            while at < len(text) and text[at] in BLANK:
                at += 1
            if at == len(text):
                return values, lines
            line, counted = line + text.count("\n", counted, at), at
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            lines.append(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{name}: line {error.lineno}, character {error.colno}: {error.msg}") from None
    except Twice as error:
        raise UserError(f"{name}: the object that begins in line {line} {error}") from None
    except RecursionError:
        raise UserError(f"{name}: line {line} is nested too deeply") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        Twice: It names a key twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Twice(f"has the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return found


def _inside(value: dict[str, Any], named: Sequence[str]) -> list[Any] | None:
    """The rows inside an object; None if the object is a row itself."""
    lists = [one for one in value.values() if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)]
    if len(lists) == 1:
        return list(lists[0])
    columns = [key for key in named if key in value]
    held = list(value.values())
    if columns and all(isinstance(one, list) for one in held) and len({len(one) for one in held}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*held, strict=True)]
    if columns and all(isinstance(one, dict) for one in held):
        keys = dict.fromkeys(key for one in held for key in one)
        return [{column: value[column].get(key) for column in value} for key in keys]
    if held and all(isinstance(one, dict) for one in held) and not columns:
        return held
    return None


def cell_of(value: Any) -> Any:
    """A value as a cell: NaN is an empty one."""
    return None if isinstance(value, float) and math.isnan(value) else value
