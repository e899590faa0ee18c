"""Labels that a file has beside the texts which a saved model predicts, read as the model's own labels were."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from finetune.arguments import Line
from finetune.config import Data
from finetune.data.labels import unlabelled
from finetune.data.load import labels_of
from finetune.errors import UserError
from finetune.tasks.kind import Array, Kind
from finetune.tasks.label_cells import as_flags
from finetune.tasks.label_tables import from_flags
from finetune.tasks.table import Table
from finetune.words import some

# So many unknown names are listed.
SHOWN = 3


def given_labels(table: Table, data: Data, kind: Kind, names: tuple[str, ...]) -> tuple[Array | None, str]:
    """The labels of a file in the model's numbers, or None and why they are not labels of this model.

    Args:
        table: The texts and the label columns.
        data: The columns.
        kind: The model's kind of task.
        names: The model's classes, labels or targets.
    """
    data = data.model_copy(update={"kind": kind.name} | ({"label_order": names} if kind.name == "ordinal" else {}))
    known = _like_train(data, kind, names)
    if reason := unlabelled(table, known, data.label_column, kind.named):
        return None, reason
    try:
        return _read(table, known, data, kind, names), ""
    except UserError as error:
        return None, Line(error.text)


def _read(table: Table, known: Table, data: Data, kind: Kind, names: tuple[str, ...]) -> Array:
    column = data.label_column[0]
    if kind.by_word:
        _refuse_foreign(table, column, names)
    if kind.name == "multilabel" and len(data.label_column) == 1 and as_flags([table], column) == len(names):
        return from_flags({"test": table}, column, len(names)).splits["test"]
    tables, told = {"train": known, "test": table}, list[str]()
    without = set[str]()
    found = labels_of(tables, data, None, without, told)
    if "test" in without:
        raise UserError(told[-1].split(": ")[0] if told else "has no labels")
    labels = found.read(tables, data, without)
    if unknown := [name for name in labels.names if name not in names]:
        raise UserError(f"the model does not know {some([repr(name) for name in unknown], SHOWN)}")
    return in_order_of(labels.splits["test"], labels.names, names, kind)


def _refuse_foreign(table: Table, column: str, names: tuple[str, ...]) -> None:
    """A file without tags may have another column in their place, such as parts of speech.

    Raises:
        UserError: No tag names an entity that the model knows, in whatever scheme.
    """
    cells = (cell.split() if isinstance(cell, str) else cell or () for cell in table[column])
    tags = sorted({str(tag) for cell in cells for tag in cell})
    known = {part for name in names for part in (name, name.split("-", 1)[-1])}
    if tags and not any(part in known for tag in tags for part in (tag, tag.split("-", 1)[-1])):
        raise UserError(f"no tag of the model is in column {column!r}, which has {some(tags, SHOWN)}")


def _like_train(data: Data, kind: Kind, names: tuple[str, ...]) -> Table:
    """A table that has every name once, as train rows would."""
    column, rows = data.label_column[0], max(2, len(names))
    cells: Mapping[str, Sequence[Any]]
    if kind.by_word:
        cells = {column: [list(names)]}
        return Table({data.text_column: [["a"] * len(names)], column: [list(names)]}, classes={column: names})
    if kind.name in ("classification", "ordinal"):
        cells = {column: names}
    elif kind.name == "multilabel" and len(data.label_column) == 1:
        cells = {column: [list(names), *([[]] * (rows - 1))]}
    else:
        cells = {one: ["1", *(["0"] * (rows - 1))] for one in data.label_column}
    found: dict[str, list[Any]] = {name: list(values) for name, values in cells.items()}
    return Table({data.text_column: ["a"] * rows} | found, classes={column: names})


def in_order_of(labels: Array, found: tuple[str, ...], names: tuple[str, ...], kind: Kind) -> Array:
    """Labels with the numbers that the model gives the names."""
    if found == names:
        return labels
    if labels.ndim > 1 and not kind.by_word:  # a column for each name
        placed = np.zeros((len(labels), len(names)), labels.dtype)
        placed[:, [names.index(name) for name in found]] = labels
        return placed
    numbers = np.array([names.index(name) for name in found])
    return np.where(labels >= 0, numbers[np.maximum(labels, 0)], labels).astype(labels.dtype)
