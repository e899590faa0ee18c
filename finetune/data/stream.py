"""A file of rows that is read in blocks, as often as needed, and never held whole if it is large.

How a text file is written (encoding, delimiter, quotation marks) is seen from its first part, as strictly as for data to
train on. Then every record is read strictly: one that does not fit is an error that names its line.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.decode import encoding_of, opened
from finetune.data.delimited import READERS, Reading, Unfit, readings
from finetune.data.files import SUFFIXES, check_file, columns_of, decoded, the_reading
from finetune.data.quotes import ENDS
from finetune.data.splits import FORMATS, format_of
from finetune.errors import UserError
from finetune.words import counted

# So many bytes of a text file show how it is written; a smaller file is seen whole.
HEAD = 2**20
# So many line ends, from the last one of this part upwards, are tried as the end of a record.
ENDINGS = 40
# A row's cells, and the line of the file where it begins; 0 if rows have no lines.
Record = tuple[list[Any], int]


@dataclass(frozen=True)
class Block:
    """Rows that are read together.

    Args:
        first: The number of the first row in the file, from 0.
        cells: The cells of each row, in the order of the columns.
        lines: The line of the file where each row begins; 0 if rows have no lines.
    """

    first: int
    cells: list[list[Any]]
    lines: list[int]

    def column(self, place: int) -> list[Any]:
        """The cells of one column."""
        return [row[place] for row in self.cells]


@dataclass(frozen=True)
class Source:
    """A file of rows.

    Args:
        path: The file.
        names: Its columns, in their order; names may be empty or occur twice.
        records: Reads it from the beginning.
        classes: Class names of columns for which the file has names.
        delimiter: Between the cells; empty if it is no table of cells.
        notes: Lines about how it is read.
        rowwise: Whether a record is a sentence, and its cells are lists with one for each of its words.
    """

    path: Path
    names: tuple[str, ...]
    records: Callable[[], Iterator[Record]]
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    delimiter: str = ""
    notes: tuple[str, ...] = ()
    rowwise: bool = False

    def blocks(self, size: int) -> Iterator[Block]:
        """All rows, ``size`` at a time.

        Raises:
            UserError: A record cannot be read.
        """
        records, first = self.records(), 0
        while found := list(islice(records, size)):
            yield Block(first, [cells for cells, _ in found], [line for _, line in found])
            first += len(found)

    def place(self, row: int, line: int) -> str:
        """Where a row is: "row 7 (line 9 of films.csv)"."""
        return f"row {row + 1} (line {line} of {self.path.name})" if line else f"row {row + 1} of {self.path.name}"


def source_of(path: Path, data: Data) -> Source:
    """A table as a source of rows.

    Args:
        path: The file.
        data: How it is written, if that is given, and the columns that are needed.

    Raises:
        UserError: The file is missing, empty, of another format, or can be read in several ways.
    """
    check_file(path)
    how = FORMATS[format_of(path)]
    if how == "parquet":
        from finetune.data.stream_parquet import parquet_source

        return parquet_source(path)
    raw, whole = head_of(path)
    if not raw:
        raise UserError(f"{path} is empty")
    notes, what = list[str](), f"{path} cannot be read as {format_of(path)[1:]}"
    encoding = data.encoding or encoding_of(raw, what)
    if not data.encoding and not encoding.startswith("utf-"):
        notes.append(f"{path.name} is read as {encoding}, by its bytes; {arg('encoding')} changes that")
    head = decoded(raw, encoding, what) if whole else raw.decode(encoding, "ignore").removeprefix("\ufeff")
    if how == "json":
        from finetune.data.stream_json import json_source

        return json_source(path, head, whole, encoding, data)
    return _delimited(path, head, whole, encoding, data, notes)


def head_of(path: Path) -> tuple[bytes, bool]:
    """The first part of a file up to the end of a line, and whether it is all of it."""
    with opened(path) as file:
        raw = file.read(HEAD + 1)
    if len(raw) <= HEAD:
        return raw, True
    end = raw.rfind(b"\n", 0, HEAD)
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[1:2] == b"\0" or raw[:1] == b"\0"
    return raw[:HEAD] if wide or end < 0 else raw[: end + 1], False


@contextmanager
def text_of(path: Path, encoding: str) -> Iterator[TextIO]:
    """The text of a file as a stream, with its line ends as they are.

    Raises:
        UserError: A line has another encoding.
    """
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        try:
            yield text
        finally:
            text.detach()


def undecodable(path: Path, encoding: str, what: str) -> UserError:
    """The error about bytes that are not of an encoding, with their line."""
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return UserError(f"{what}: line {number} is not {encoding}; give another {arg('encoding')}")
    return UserError(f"{what}: it is not {encoding} to its end; give another {arg('encoding')}")


def _delimited(path: Path, head: str, whole: bool, encoding: str, data: Data, notes: list[str]) -> Source:
    suffix = SUFFIXES[format_of(path)]
    try:
        ways = _ways(head, whole, data, suffix)
    except Unfit as error:
        raise UserError(f"{path} cannot be read as {format_of(path)[1:]}: {error}") from None
    way = the_reading(path, ways, data, notes)
    names = tuple(way.header)
    if whole and len(names) > 1:

        def records() -> Iterator[Record]:
            yield from zip(way.records, way.lines, strict=True)

    else:

        def records() -> Iterator[Record]:
            return _records(path, encoding, way, skipped=bool(_hint(head)))

    return Source(path, names, records, delimiter=way.delimiter, notes=tuple(notes))


def _hint(head: str) -> bool:
    """Whether the first line is Excel's own, which names the delimiter."""
    return head.startswith("sep=") and len(ENDS.split(head, maxsplit=1)[0]) == len("sep=,")


def _ways(head: str, whole: bool, data: Data, suffix: str) -> list[Reading]:
    """All ways to read the first part of a file, cut where a record ends."""
    for attempt in range(ENDINGS):
        try:
            return readings(head, data.delimiter, data.quoting, suffix, columns_of(data))
        except Unfit:
            ends = [found.end() for found in ENDS.finditer(head, max(0, len(head) - HEAD // 4)) if found.end() < len(head)]
            if whole or attempt + 1 == ENDINGS or not ends:
                raise
            head = head[: ends[-1]]
    raise AssertionError


def _records(path: Path, encoding: str, way: Reading, skipped: bool) -> Iterator[Record]:
    """Every record of a table; lines with nothing in them are no rows, unless that is the only cell, between quotes."""
    csv.field_size_limit(sys.maxsize)
    what, width, header = f"{path} cannot be read as {format_of(path)[1:]}", len(way.header), True
    with text_of(path, encoding) as text:
        reader = csv.reader(text, delimiter=way.delimiter, strict=True, **READERS[way.quoting])
        line = 1
        try:
            for record in reader:
                here, line = line, reader.line_num + 1
                if not record or (width > 1 and len(record) < 2 and not record[0].strip()) or record == ["\x1a"]:
                    continue
                if skipped:
                    skipped = False
                elif header:
                    header = False
                elif len(record) != width:
                    raise UserError(f"{what}: line {here} has {counted(len(record), 'cell')}, but the header has {width}")
                else:
                    yield record, here
        except UnicodeDecodeError:
            raise undecodable(path, encoding, what) from None
        except csv.Error as error:
            end = "that is never closed" if "end of data" in str(error) else "that is closed before other text"
            raise UserError(f"{what}: line {line}: a quotation mark opens a cell there {end}") from None
