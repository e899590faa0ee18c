"""Where predictions go: a file that is whole or not there, standard output, or a data frame."""

import csv
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol, cast

from finetune.arguments import arg
from finetune.errors import UserError, first_line
from finetune.words import listed

STDOUT = "-"
DEVICES = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
DELIMITERS = {"csv": ",", "tsv": "\t"}
# A file that nobody has written to for so many seconds was left by a process that was killed.
LEFT = 3600.0
# csv quotes cells with characters of a line's end.
END = "\r\n"
# How a file is written, by its suffix.
SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
    ".conll": "conll", ".txt": "conll",
}  # fmt: skip


class Sink(Protocol):
    """Takes rows of cells."""

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take the next rows."""

    def close(self) -> None:
        """Write what is left."""


def on_stdout(out: str | None) -> bool:
    """Whether predictions go to standard output, so that nothing else may."""
    return out in (STDOUT, *DEVICES)


def format_for(out: str, asked: str | None) -> str:
    """How a file is written: as asked for, or as its suffix says; what has no suffix is CSV.

    Raises:
        UserError: It is a folder, or its suffix says nothing.
    """
    path = Path(out).expanduser()
    if path.is_dir():
        raise UserError(f"{arg('out', out)} is a folder; name a file in it")
    if asked is not None:
        return asked
    inner = Path(path.stem) if path.suffix.lower() == ".gz" else path
    suffix = inner.suffix.lower()
    if out == STDOUT or not suffix:
        return "csv"
    if suffix not in SUFFIXES:
        known = listed([*SUFFIXES], "or")
        raise UserError(f"{arg('out', out)}: {suffix} is no format that can be written; use {known}")
    return SUFFIXES[suffix]


@contextmanager
def replacing(out: str) -> Iterator[IO[bytes]]:
    """A file to write that takes its place when it is whole; a device, a link and standard output are written directly.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(out).expanduser()
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("wb") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    forget_torn(path)
    writing = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        with writing.open("wb") as file:
            yield file
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)


def forget_torn(path: Path) -> None:
    """Delete what killed processes have left of a file of this name; another process may be writing a younger one."""
    for torn in path.parent.glob(".writing-*"):
        with suppress(OSError):
            own = torn.name.removeprefix(".writing-").partition("-")[2] == path.name
            if own and time.time() - torn.stat().st_mtime > LEFT:
                torn.unlink()


@contextmanager
def packed(file: IO[bytes], out: str) -> Iterator[IO[bytes]]:
    """The same file, packed on the way if its name says so."""
    if Path(out).suffix.lower() != ".gz":
        yield file
        return
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as inside:
        yield cast(IO[bytes], inside)


class _Ends:
    """Lets rows end in one character, and cells with either character of a line's end be quoted."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, row: str) -> None:
        """Take one row."""
        self._file.write((row.removesuffix(END) + "\n").encode("utf-8", "backslashreplace"))


class Delimited:
    """CSV or TSV: UTF-8, cells quoted where they must be; cells from the file stay as they are, whatever they begin with.

    Args:
        file: Where to write.
        names: The columns.
        delimiter: Between cells.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str], delimiter: str) -> None:
        self._writer = csv.writer(_Ends(file), delimiter=delimiter, lineterminator=END)
        self._writer.writerow(names)

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take the next rows."""
        self._writer.writerows([cell_text(cell) for cell in row] for row in rows)

    def close(self) -> None:
        """Nothing is left."""


def cell_text(cell: Any) -> Any:
    """A cell of a table of texts."""
    if isinstance(cell, list | dict | tuple):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return cell


class Lines:
    """JSON lines.

    Args:
        file: Where to write.
        names: The columns.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._file, self._names = file, names

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take the next rows."""
        for row in rows:
            found = json.dumps(dict(zip(self._names, row, strict=True)), ensure_ascii=False, default=str)
            self._file.write(found.encode("utf-8", "backslashreplace") + b"\n")

    def close(self) -> None:
        """Nothing is left."""


class Parquet:
    """Parquet; a column has the type of its cells in the first rows.

    Args:
        file: Where to write.
        names: The columns.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._file, self._names = file, names
        self._writer: Any = None
        self._types: list[Any] = []

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take the next rows.

        Raises:
            UserError: A column has cells of several types.
        """
        import pyarrow
        from pyarrow import parquet

        columns = [list(cells) for cells in zip(*rows, strict=True)]
        if self._writer is None:
            self._types = [self._type(pyarrow, *pair) for pair in zip(self._names, columns, strict=True)]
            schema = pyarrow.schema(list(zip(self._names, self._types, strict=True)))
            self._writer = parquet.ParquetWriter(self._file, schema)
        arrays = [self._array(pyarrow, *given) for given in zip(self._names, columns, self._types, strict=True)]
        self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._writer.schema))

    def _type(self, pyarrow: Any, name: str, cells: list[Any]) -> Any:
        found = self._array(pyarrow, name, cells, None).type
        return pyarrow.string() if pyarrow.types.is_null(found) else found

    def _array(self, pyarrow: Any, name: str, cells: list[Any], kind: Any) -> Any:
        try:
            return pyarrow.array(cells, kind)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError) as error:
            what = f"column {name!r} cannot be written as parquet: {first_line(error)[:120]}"
            raise UserError(f"{what}; {arg('format', 'jsonl')} takes cells of any type") from None

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()


class Frame:
    """A data frame, in memory.

    Args:
        names: The columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self._rows = list(names), list[Sequence[Any]]()

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take the next rows."""
        self._rows += rows

    def close(self) -> None:
        """Nothing is left."""

    def frame(self) -> Any:
        """The data frame."""
        import pandas

        return pandas.DataFrame(self._rows, columns=self._names)


def sink_for(form: str, file: IO[bytes], names: Sequence[str]) -> Sink:
    """What writes a table in a format."""
    if form in DELIMITERS:
        return Delimited(file, names, DELIMITERS[form])
    return Lines(file, names) if form == "jsonl" else Parquet(file, names)
