"""Rows for a saved model from blocks of a file: which columns hold the texts, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.load import headless
from finetune.data.stream import Block, Source
from finetune.data.tagged import INSIDE, TAG_COLUMNS, WORD_COLUMNS, as_list
from finetune.errors import UserError, near
from finetune.tasks.cells import text
from finetune.tasks.kind import Kind
from finetune.tasks.table import Table
from finetune.tasks.task import Rows
from finetune.tasks.tokens import BETWEEN

# A header that looks like a row is recognised by so many rows below it.
LOOKED_AT = 64


@dataclass(frozen=True)
class Columns:
    """The places of columns in a file.

    Args:
        text: Of the text.
        pair: Of the second text; None if there is none.
        labels: Of the labels; empty if the file lacks one of them.
    """

    text: int
    pair: int | None
    labels: tuple[int, ...]

    @property
    def texts(self) -> tuple[int, ...]:
        """Of all texts."""
        return (self.text,) if self.pair is None else (self.text, self.pair)


def columns_in(source: Source, data: Data, kind: Kind, notes: list[str]) -> tuple[Columns, Data]:
    """Find the columns of a file; also the data with their names.

    Args:
        source: The file.
        data: The names of the columns.
        kind: The kind of task.
        notes: A line about columns that were taken by their usual names is added.

    Raises:
        UserError: A text column is missing, or named twice.
    """
    if kind.by_word:
        data = _of_words(source, data, notes)
    place = _place(source, "text_column", data.text_column)
    pair = None if data.pair_column is None else _place(source, "pair_column", data.pair_column)
    if pair == place:
        raise UserError(f"{arg('pair_column', data.text_column)} is already the {arg('text_column')}; name another")
    labels = data.label_column if all(source.names.count(one) == 1 for one in data.label_column) else ()
    return Columns(place, pair, tuple(source.names.index(one) for one in labels)), data


def _of_words(source: Source, data: Data, notes: list[str]) -> Data:
    """The data with the usual names of columns of words and of tags, where the file has none of the names in use."""
    there, found = {name.lower(): name for name in source.names}, dict[str, Any]()
    if data.text_column not in source.names:
        word = next((there[name] for name in WORD_COLUMNS if name in there), None)
        if word is not None and data.text_column.lower() in WORD_COLUMNS:
            found["text_column"] = word
            notes.append(f"{source.path.name}: words are read from column {word}; {arg('text_column')} takes another")
    if data.label_column[0] not in source.names and data.label_column[0].lower() in TAG_COLUMNS:
        tag = next((there[name] for name in TAG_COLUMNS if name in there and there[name] not in found.values()), None)
        found |= {} if tag is None else {"label_column": (tag,)}
    return data.model_copy(update=found)


def _place(source: Source, argument: str, name: str) -> int:
    where, times = arg(argument, name), source.names.count(name)
    if times > 1:
        raise UserError(f"{where}: {source.path} has {times} columns of that name; rename all but one")
    if not times:
        first = next(source.blocks(LOOKED_AT), None)
        columns = {} if first is None else {name: first.column(place) for place, name in enumerate(source.names)}
        way = headless(Table(columns, source.path.name, () if first is None else first.lines))
        raise UserError(f"{where}: {source.path} has no such column{way or near(name, filter(None, source.names))}")
    return source.names.index(name)


def rows_of(block: Block, source: Source, columns: Columns, kind: Kind, names: tuple[str, ...]) -> Rows:
    """The texts of a block, as rows without labels.

    Args:
        block: Some rows.
        source: Their file, for messages.
        columns: The places of the texts.
        kind: The kind of task.
        names: Names of classes, labels or targets.

    Raises:
        UserError: A cell is no text; the message names its row.
    """
    both = []
    for place in columns.texts:
        read = _words if kind.by_word else _text
        where = arg("text_column" if place == columns.text else "pair_column", source.names[place])
        both.append([read(row[place], number, where, block, source) for number, row in enumerate(block.cells)])
    texts = both[0]
    return Rows(texts, both[1] if len(both) > 1 else None, kind.blank(names, texts), labelled=False)


def _text(cell: Any, number: int, where: str, block: Block, source: Source) -> str:
    if isinstance(cell, list | dict | bytes):
        here = source.place(block.first + number, block.lines[number])
        raise UserError(f"{where}: {here} is {str(cell)[:40]}, not a single text")
    return text(cell)


def _words(cell: Any, number: int, where: str, block: Block, source: Source) -> str:
    """The words of a cell with blanks between them: a list, or a text whose words stand between blanks."""
    words = cell.split() if isinstance(cell, str) and not as_list(cell) else [] if cell is None or cell != cell else cell
    if not isinstance(words, list) or any(isinstance(one, list | dict | bytes) for one in words):
        here = source.place(block.first + number, block.lines[number])
        raise UserError(f"{where}: {here} is {str(cell)[:40]!r}, not a list of words")
    return BETWEEN.join(text(one).replace(BETWEEN, INSIDE) for one in words)


def told_of_empty(rows: int, empty: Sequence[int], what: str) -> list[str]:
    """A line about texts that are empty: they are predicted all the same.

    Args:
        rows: How many rows there are.
        empty: The numbers of the rows without text, from 0.
        what: The file.
    """
    if not empty:
        return []
    first = f"the first in row {empty[0] + 1}" if len(empty) > 1 else f"in row {empty[0] + 1}"
    are = "is" if len(empty) == 1 else "are"
    return [f"{what}: {len(empty)} of {rows} texts {are} empty, {first}: predicted as an empty text"]
