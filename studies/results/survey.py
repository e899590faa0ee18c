"""The first look at a file that is predicted: it is read to its end, so that no model works in vain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.config import Data
from finetune.data.ask import Columns, rows_of
from finetune.data.encode import BLOCK
from finetune.data.given_labels import given_labels
from finetune.data.stream import Source
from finetune.errors import UserError
from finetune.tasks.kind import Kind
from finetune.tasks.metrics import evaluate
from finetune.tasks.table import Table
from finetune.tasks.task import Rows
from finetune.training.about import Known
from finetune.training.saved import task_of
from studies.results.submission import Key, key_of

Array = NDArray[Any]


@dataclass
class Survey:
    """What is known of a file before it is predicted.

    Args:
        rows: How many rows it has.
        empty: The numbers of rows without a text.
        cells: The texts' and label columns' cells, if it has labels: they are needed again for the score.
        lines: The line of each row, if it has labels.
        keys: What identifies each row, if that is needed.
    """

    rows: int = 0
    empty: list[int] = field(default_factory=list)
    cells: list[list[Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)


def surveyed(source: Source, columns: Columns, kind: Kind, names: tuple[str, ...], ids: Sequence[int]) -> Survey:
    """Read a file to its end.

    Args:
        source: The file.
        columns: The places of texts and labels.
        kind: The kind of task.
        names: The model's classes, labels or targets.
        ids: The places of the columns that identify rows, if that is needed.

    Raises:
        UserError: A row cannot be read, or there is none.
    """
    found = Survey()
    for block in source.blocks(BLOCK):
        rows = rows_of(block, source, columns, kind, names)
        found.empty += [block.first + row for row, text in enumerate(rows.texts) if not text.strip()]
        found.rows += len(block.cells)
        if columns.labels:
            needed = (columns.text, *columns.labels) if kind.by_word else columns.labels
            found.cells += [[row[place] for place in needed] for row in block.cells]
            found.lines += block.lines
        if ids:
            found.keys += [key_of([row[place] for place in ids]) for row in block.cells]
    if not found.rows:
        raise UserError(f"{source.path} has no rows")
    return found


def labels_in(survey: Survey, source: Source, data: Data, kind: Kind, names: tuple[str, ...]) -> tuple[Array | None, str]:
    """The labels of a file, or None and why it has none that can be scored.

    Args:
        survey: What is known of the file.
        source: The file.
        data: Its columns.
        kind: The kind of task.
        names: The model's classes, labels or targets.
    """
    if not survey.cells:
        return None, ""
    rows = [row for row in range(survey.rows) if not kind.by_word or row not in set(survey.empty)]
    cells = [survey.cells[row] for row in rows]
    heads = [*([data.text_column] if kind.by_word else []), *data.label_column]
    columns = {name: [row[place] for row in cells] for place, name in enumerate(heads)}
    if kind.by_word:
        columns[data.text_column] = [_words(cell) for cell in columns[data.text_column]]
    else:
        columns[data.text_column] = ["a"] * len(cells)
    lines = [survey.lines[row] for row in rows]
    table = Table(columns, source.path.name, lines if all(lines) else (), source.classes)
    return given_labels(table, data, kind, names)


def _words(cell: Any) -> list[Any]:
    return cell.split() if isinstance(cell, str) else list(cell)


def scores_of(known: Known, kind: Kind, labels: Array, outputs: Sequence[Array], empty: Sequence[int]) -> dict[str, float]:
    """Every metric of the predictions.

    Args:
        known: The model.
        kind: Its kind of task.
        labels: The labels of all rows; where words have tags, of those with words.
        outputs: The predictions, block by block.
        empty: The numbers of the rows without words.
    """
    if kind.by_word:
        width = max(labels.shape[1], *(output.shape[1] for output in outputs))
        padded = [np.pad(one, ((0, 0), (0, width - one.shape[1])), constant_values=-1) for one in (*outputs, labels)]
        labels, output = padded[-1], np.delete(np.concatenate(padded[:-1]), list(empty), 0)
    else:
        output = np.concatenate(outputs)
    found = evaluate(task_of(known, Rows([], None, labels)), labels, output)
    return {name: value for name, value in found.items() if name in kind.measures}
