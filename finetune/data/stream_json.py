"""JSON as a source of rows: lines one by one; anything else is read whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.config import Data
from finetune.data.files import columns_of
from finetune.data.jsonrows import Twice, cell_of, once, read_json
from finetune.data.stream import Record, Source, text_of, undecodable
from finetune.errors import UserError


def json_source(path: Path, head: str, whole: bool, encoding: str, data: Data) -> Source:
    """The rows of a JSON file; a row without a key has None there.

    Args:
        path: The file.
        head: Its first part.
        whole: Whether that is all of it.
        encoding: Of the file.
        data: The columns that are needed.

    Raises:
        UserError: It is not JSON, or has no rows.
    """
    name = f"{path} cannot be read as json"
    if not whole and _lines(head):
        return _of_lines(path, encoding, name)
    notes = [] if whole else [f"{path.name} is one JSON value, so it is held in memory; JSON lines are not"]
    if not whole:
        with text_of(path, encoding) as text:
            try:
                head = text.read().removeprefix("\ufeff")
            except UnicodeDecodeError:
                raise undecodable(path, encoding, name) from None
    table = read_json(head, name, columns_of(data))
    lines = list(table.lines) or [0] * table.rows

    def records() -> Iterator[Record]:
        for row in range(table.rows):
            yield [cells[row] for cells in table.values()], lines[row]

    return Source(path, tuple(map(str, table)), records, notes=tuple(notes))


def _lines(head: str) -> bool:
    """Whether the first line is an object of its own."""
    first = next((line for line in head.split("\n") if line.strip()), "")
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _of_lines(path: Path, encoding: str, name: str) -> Source:
    keys = dict.fromkeys(key for row, _ in _objects(path, encoding, name) for key in row)
    names = tuple(map(str, keys))

    def records() -> Iterator[Record]:
        for row, line in _objects(path, encoding, name):
            yield [cell_of(row.get(key)) for key in names], line

    return Source(path, names, records)


def _objects(path: Path, encoding: str, name: str) -> Iterator[tuple[dict[str, Any], int]]:
    with text_of(path, encoding) as text:
        line = 0
        try:
            for line, written in enumerate(text, start=1):
                written = (written.removeprefix("\ufeff") if line == 1 else written).rstrip("\r\n")
                if not written.strip():
                    continue
                found = json.loads(written, object_pairs_hook=once)
                if not isinstance(found, dict):
                    what = f"{str(found)[:40]!r}, not an object with a value for each column"
                    raise UserError(f"{name}: line {line} is {what}")
                yield found, line
        except json.JSONDecodeError as error:
            raise UserError(f"{name}: line {line}, character {error.colno}: {error.msg}") from None
        except Twice as error:
            raise UserError(f"{name}: the object that begins in line {line} {error}") from None
        except RecursionError:
            raise UserError(f"{name}: line {line} is nested too deeply") from None
        except UnicodeDecodeError:
            raise undecodable(path, encoding, name) from None
