"""Tables of predictions: the columns that are kept, those that are added, and their names."""

from collections.abc import Sequence
from typing import Any

from finetune.data.ask import Columns
from finetune.data.stream import Block, Source
from finetune.tasks.answer import Answer

# Behind the name of a column of predictions that the file has already.
OURS = "(model)"
# Between the names of labels in one cell: the first one that no name has.
SEPARATORS = (", ", "; ", " | ", " / ", "\n")
# Formats whose cells may be lists, and whose columns must have different names.
WITH_LISTS = ("jsonl", "parquet")


def kept_columns(source: Source, columns: Columns, asked: Sequence[str] | None, sentences: bool) -> list[int]:
    """The places of the columns that stand before the predictions: all but the texts, or those that are asked for.

    Args:
        source: The file.
        columns: The places of the texts.
        asked: Names of columns.
        sentences: Whether the file holds sentences alone: their words stay, for nothing else tells them apart.
    """
    if asked is not None:
        return [source.names.index(name) for name in asked]
    gone = () if sentences else columns.texts
    return [place for place in range(len(source.names)) if place not in gone]


def header(kept: Sequence[str], added: Sequence[str], form: str, notes: list[str]) -> list[str]:
    """The names of all columns; predictions get other names where the file has theirs.

    Args:
        kept: The columns of the file.
        added: The columns of predictions.
        form: The format.
        notes: Lines about names that are changed are added.

    Example:
        >>> header(["id", "predicted"], ["predicted", "p good"], "csv", [])
        ['id', 'predicted', 'predicted (model)', 'p good']
    """
    first = list(kept)
    if form in WITH_LISTS and len(set(first)) < len(first):
        first = [f"{name} ({number})" if name in kept[:number] else name for number, name in enumerate(first)]
        notes.append("columns of one name have their number behind it")
    names = list(first)
    for name in added:
        new, number = name, 1
        while new in names:
            new, number = f"{name} {OURS}" if number == 1 else f"{name} {OURS[:-1]} {number})", number + 1
        if new != name:
            notes.append(f"the file has a column {name!r}: the prediction is in {new!r}")
        names.append(new)
    return names


def separator_for(names: Sequence[str], asked: str | None) -> str:
    """What stands between the labels of a text in one cell."""
    return asked or next((mark for mark in SEPARATORS if not any(mark.strip(" ") in name for name in names)), SEPARATORS[0])


def rows_with(
    block: Block, kept: Sequence[int], answer: Answer, between: str | None, rowwise: bool = False
) -> list[list[Any]]:
    """The rows of a table of predictions.

    Args:
        block: Rows of the file.
        kept: The places of the columns that are kept.
        answer: What is predicted for them.
        between: Between the labels or tags in a cell; None leaves them lists.
        rowwise: Whether each word of a sentence has a row of its own.
    """
    if rowwise:
        tags = answer.predicted or []
        return [
            [*(cells[place][word] for place in kept), tag]
            for cells, sentence in zip(block.cells, tags, strict=True)
            for word, tag in enumerate(sentence)
        ]
    columns = list(answer.columns().values())
    if between is not None and answer.predicted and isinstance(answer.predicted[0], list):
        columns[0] = [between.join(one) for one in answer.predicted]
    return [
        [*(row[place] for place in kept), *cells] for row, cells in zip(block.cells, zip(*columns, strict=True), strict=True)
    ]
