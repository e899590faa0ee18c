"""Sentences as lists of words and lists of tags: their columns are found, and they are checked and written in one way."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.spelling import spell
from finetune.errors import UserError
from finetune.tasks.cells import label_columns
from finetune.tasks.metrics import METRICS, viewed
from finetune.tasks.schemes import OUTSIDE, written
from finetune.tasks.table import Table
from finetune.tasks.tokens import BETWEEN
from finetune.words import counted

KIND = "tokens"
# A column of words and one of tags.
PAIR = 2
# Names of columns, the usual ones first.
WORD_COLUMNS = ("tokens", "words", "token", "word", "text")
TAG_COLUMNS = ("ner_tags", "tags", "ner", "labels", "pos_tags", "pos", "tag", "label")
TEXT, LABEL = Data.model_fields["text_column"].default, Data.model_fields["label_column"].default
# What files have instead of tags that are kept secret.
PLACEHOLDERS = {"", "_", "?", "-", "-1", "none", "null", "nan", "unk", "unknown"}
AS_TEXT = "; a list that is written as a text is not read: keep lists in JSON lines or Parquet"
# A blank inside a word would look like the end of the word; tokenisers treat both alike.
INSIDE = "\u00a0"


def asked(data: Data, metric: str | None) -> Data:
    """The data, with its kind if only the metric says that words have labels."""
    plain = viewed(metric or "")[1]
    only = data.kind is None and plain in METRICS and list(METRICS[plain].kinds) == [KIND]
    return data.model_copy(update={"kind": KIND}) if only else data


def found(tables: Mapping[str, Table], data: Data, told: list[str]) -> Data:
    """The data with the kind and the columns of sentences, if the tables hold sentences; else as it is.

    Columns are sentences if their cells are lists. If the data names no columns and the usual names of tables are absent,
    those of data sets of words are taken, and a line says so.

    Args:
        tables: The splits.
        data: What is known.
        told: Lines to print; lines are added.

    Raises:
        UserError: The kind is given, and there are no such columns.
    """
    return _columns(tables["train"], data, told) if data.kind in (None, KIND) else data


def _columns(train: Table, data: Data, told: list[str]) -> Data:
    names = (data.text_column, *data.label_column)
    if data.kind == KIND:
        _refuse_others(data)
    if all(name in train for name in names) and (data.kind == KIND or _lists(train, names)):
        if data.kind is None:
            _refuse_others(data)
            ways = f"{arg('kind', 'classification')} takes texts"
            told += [f"columns {' and '.join(names)} hold lists: they are read as words with tags; {ways}"] * _unsaid(train)
        return data.model_copy(update={"kind": KIND})
    if data.kind is None and all(name in train for name in names):
        if len(names) > PAIR or not _holds_tags(train[names[1]]):
            return data
        _refuse_others(data)
        told.append(
            f"column {names[1]} holds the tags of words; {arg('kind', 'multilabel')} takes them as labels of the text"
        )
        return data.model_copy(update={"kind": KIND})
    words = _usual(train, WORD_COLUMNS, data)
    tags = [name for name in _usual(train, TAG_COLUMNS, data) if name not in words]
    word = next(iter(words), None) if data.text_column == TEXT else data.text_column
    tag = next(iter(tags), None) if data.label_column == LABEL else data.label_column[0]
    if word is None or tag is None or (data.kind is None and not (words and tags)):
        return data
    if data.kind is None:
        _refuse_others(data)
    what = f"columns {word} and {tag} are read as words with tags"
    if (word, tag) != names:
        told.append(f"{what}; {arg('text_column')} and {arg('label_column')} take others")
    return data.model_copy(update={"kind": KIND, "text_column": word, "label_column": (tag,)})


def _usual(train: Table, names: Sequence[str], data: Data) -> list[str]:
    """Columns with these names that hold lists; if the kind is given, else those that hold texts."""
    there = [name for name in names if name in train]
    return [name for name in there if _holds_lists(train[name])] or (there if data.kind == KIND else [])


def _holds_tags(cells: Sequence[Any]) -> bool:
    """Whether cells are tags such as O and B-person, several in a cell: in lists, in texts like lists, or between blanks."""
    held = [cell for cell in cells if cell is not None]
    if not held or not all(isinstance(cell, str | list) for cell in held):
        return False
    rows = [re.sub(r"[\[\],'\"]", " ", cell).split() if isinstance(cell, str) else cell for cell in held]
    if not any(len(row) > 1 for row in rows) or any(not isinstance(one, str) for row in rows for one in row):
        return False
    known = {one for row in rows for one in row}
    return OUTSIDE in known and not written(known).plain


def _unsaid(table: Table) -> bool:
    """Whether nothing was said of these lists: files of words and tags are told where they are read."""
    return not table.sentences


def _refuse_others(data: Data) -> None:
    if data.pair_column is not None:
        raise UserError(f"{arg('pair_column', data.pair_column)}: {KIND} has no second text; leave it out")
    if len(data.label_column) > 1:
        raise UserError(f"{label_columns(data.label_column)}: {KIND} takes one column, with a list of tags in each cell")


def _lists(table: Table, names: Sequence[str]) -> bool:
    return all(_holds_lists(table[name]) for name in names)


def _holds_lists(cells: Sequence[Any]) -> bool:
    first = next((cell for cell in cells if cell is not None), None)
    return isinstance(first, list)


def clean(tables: Mapping[str, Table], data: Data, without: set[str], told: list[str]) -> None:
    """Check sentences, and write their tags in the usual way: changes the tables and adds lines that say so.

    Args:
        tables: All splits.
        data: The columns of words and of tags.
        without: Splits without tags; a test split that has only a placeholder is added.
        told: Lines to print; lines are added.

    Raises:
        UserError: A sentence has other tags than words, a word has no tag, or the tags cannot be read.
    """
    word, tag = data.text_column, data.label_column[0]
    for split, table in tables.items():
        _words(table, word, split, told)
    if "test" in tables and tag in tables["test"] and "test" not in without and _hidden(tables, tag):
        without.add("test")
        told.append(f"{tables['test'].file or 'the test split'} has no tags: it is kept for prediction and not scored")
    labelled = {split: table for split, table in tables.items() if split not in without}
    for split, table in labelled.items():
        _tags(table, word, tag, split)
    for split, table in tables.items():
        _without_words(table, word, split, told)
    spell(labelled, tag, data.tag_scheme, told)


def _words(table: Table, column: str, split: str, told: list[str]) -> None:
    """Words as texts; in a cell that is one text, words stand between blanks."""
    where, blanks, texts, cells = arg("text_column", column), 0, 0, []
    for row, cell in enumerate(table[column]):
        if isinstance(cell, str) and not as_list(cell):
            cell, texts = cell.split(), texts + 1
        words = [] if cell is None else cell
        if not isinstance(words, list) or any(isinstance(one, list | dict | bytes) for one in words):
            what = f"row {row + 1} of the {split} data is {str(cell)[:40]!r}, not a list of words{table.place(row)}"
            raise UserError(f"{where}: {what}{AS_TEXT if isinstance(cell, str) else ''}")
        words = ["" if one is None else str(one) for one in words]
        blanks += sum(BETWEEN in one for one in words)
        cells.append([one.replace(BETWEEN, INSIDE) for one in words])
    table[column] = cells
    if texts:
        told.append(f"{where}: the {split} data has texts, whose words are taken to stand between blanks")
    if blanks:
        told.append(f"{where}: {counted(blanks, f'{split} word')} with a blank inside: no-break spaces are read there")
    if empty := sum(not one.strip() for words in cells for one in words):
        what = "is empty: it keeps its place and its tag" if empty == 1 else "are empty: they keep their places and tags"
        told.append(f"{where}: {counted(empty, f'{split} word')} {what}")


def as_list(cell: str) -> bool:
    """Whether a text looks like a list."""
    return cell.strip()[:1] == "[" and cell.strip()[-1:] == "]"


def _hidden(tables: Mapping[str, Table], column: str) -> bool:
    """Whether the test split has no tags, or one placeholder for all."""
    cells = [cell for cell in tables["test"][column] if cell is not None]
    values = {"" if one is None else str(one) for cell in cells if isinstance(cell, list) for one in cell}
    values |= {one for cell in cells if isinstance(cell, str) for one in cell.split()}
    return len(values) < 2 and all(one.strip().lower() in PLACEHOLDERS for one in values)


def _tags(table: Table, word: str, column: str, split: str) -> None:
    """Tags as texts, one for each word."""
    where, cells = label_columns([column]), []
    for row, (words, cell) in enumerate(zip(table[word], table[column], strict=True)):
        here = f"row {row + 1} of the {split} data"
        tags = cell.split() if isinstance(cell, str) and not as_list(cell) else [] if cell is None else cell
        if not isinstance(tags, list):
            what = f"{here} is {str(cell)[:40]!r}, not a list of tags{table.place(row)}"
            raise UserError(f"{where}: {what}{AS_TEXT if isinstance(tags, str) else ''}")
        if len(tags) != len(words):
            what = f"{here} has {counted(len(words), 'word')} and {counted(len(tags), 'tag')}"
            end = ", between blanks and not commas" if len(tags) == 1 and "," in str(tags[0]) else ""
            raise UserError(f"{where}: {what}{table.place(row)}; each word needs one{end}")
        for place, one in enumerate(tags):
            if one is None or isinstance(one, list | dict | bytes) or not str(one).strip() or one in (-1, -100):
                what = "has no tag" if one is None or not str(one).strip() else f"has {str(one)[:20]!r} instead of a tag"
                raise UserError(f"{where}: word {place + 1} ({words[place]!r}) of {here} {what}{table.place(row)}")
        cells.append([str(one).strip() for one in tags])
    table[column] = cells


def _without_words(table: Table, column: str, split: str, told: list[str]) -> None:
    """Leave out sentences without words."""
    full = [row for row, words in enumerate(table[column]) if words]
    if len(full) == table.rows:
        return
    what = counted(table.rows - len(full), f"{split} sentence")
    told.append(
        f"{arg('text_column', column)}: {what} without words {'is' if table.rows - len(full) == 1 else 'are'} left out"
    )
    for name, cells in table.items():
        table[name] = [cells[row] for row in full]
    table.lines, table.parts = [table.lines[row] for row in full] if table.lines else (), ()
