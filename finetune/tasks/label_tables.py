"""Tables of several labels of one text: a column for each label, or one column that names them."""

from collections.abc import Mapping, Sequence

import numpy as np

from finetune.arguments import arg
from finetune.config import Data
from finetune.errors import UserError
from finetune.tasks.cells import flag, label_columns, missing, number, whole
from finetune.tasks.classification import MANY
from finetune.tasks.kind import Labels
from finetune.tasks.label_cells import all_lists, guessed, read_names, refuse_brackets, shown
from finetune.tasks.table import Table
from finetune.words import counted


def from_columns(tables: Mapping[str, Table], columns: tuple[str, ...]) -> Labels:
    """A column for each label. If no cell says no, an empty cell means no.

    Raises:
        UserError: A cell means neither yes nor no; the message names its row.
    """
    cells = [value for table in tables.values() for column in columns for value in table[column]]
    empty = sum(missing(value) for value in cells)
    blank_is_no = empty > 0 and not any(flag(value) is False for value in cells)
    notes = [f"{label_columns(columns)}: {counted(empty, 'empty cell')} mean no, for no cell says so"] if blank_is_no else []
    found = {}
    for name, table in tables.items():
        values = np.zeros((table.rows, len(columns)), np.float32)
        for place, column in enumerate(columns):
            for row, value in enumerate(table[column]):
                answer = False if blank_is_no and missing(value) else flag(value)
                if answer is None:
                    what = "has no label" if missing(value) else f"is {str(value)[:40]!r}"
                    line = f"row {row + 1} of the {name} data {what}, a label is 1 or 0{table.place(row)}"
                    line += "; leave out rows that nobody labelled" if whole(value) in (-1, "-1") else ""
                    raise UserError(f"{label_columns([column])}: {line}")
                values[row, place] = answer
        found[name] = values
    if len(columns) == 1:
        notes.append(
            f"{label_columns(columns)}: one label, which is there or not; {arg('kind', 'classification')} does the same"
        )
    return Labels(columns, found, tuple(notes))


def from_flags(tables: Mapping[str, Table], column: str, size: int) -> Labels:
    """A list with a 0 or 1 for each label."""
    own = next(iter(tables.values())).classes.get(column, ())
    names = own if len(own) == size else tuple(map(str, range(size)))
    splits = {}
    for name, table in tables.items():
        lists = read_names(table, column, None, name)
        splits[name] = np.array([[flag(v) or False for v in row] or [False] * size for row in lists], np.float32)
    note = f"{label_columns([column])}: lists of {size} answers, 0 or 1, are read as {size} labels, named by their place"
    return Labels(names, splits, (note,))


def from_names(tables: Mapping[str, Table], column: str, data: Data) -> Labels:
    """Lists, or names between separators; labels that only validation or test rows have count too.

    Raises:
        UserError: A cell cannot be read, or there are more names than labels can be.
    """
    values, where = [value for table in tables.values() for value in table[column]], label_columns([column])
    separator, notes = data.label_separator, list[str]()
    if separator is None and not all_lists(values):
        separator = guessed(values)
        if separator is None:
            how = f"each cell is read as one name; {arg('label_separator', ';')} names what separates several"
        else:
            for name, table in tables.items():
                refuse_brackets(table, column, separator, name)
            how = f"names are separated by {shown(separator)!r}, by the looks of it; {arg('label_separator')} sets another"
        notes.append(f"{where}: {how}")
    elif separator is not None and not any(separator in value for value in values if isinstance(value, str)):
        notes.append(f"warning: {where}: no cell has {arg('label_separator', shown(separator))}, so each names one label")
    lists = {name: read_names(table, column, separator, name) for name, table in tables.items()}
    rows = sum(map(len, lists.values()))
    twice = sum(len(set(row)) < len(row) for each in lists.values() for row in each)
    if twice:
        notes.append(f"{where}: {counted(twice, 'row')} of {rows} name a label twice; it counts once")
    found = {label for each in lists.values() for row in each for label in row}
    if not found:
        raise UserError(f"{where}: no row has a label")
    if len(found) > max(MANY, rows / 2):
        raise UserError(f"{where}: {len(found)} labels in {rows} rows; choose another column or {arg('label_separator')}")
    names = ordered(found, next(iter(tables.values())).classes.get(column, ()))
    places = {name: place for place, name in enumerate(names)}
    splits = {name: np.zeros((len(each), len(names)), np.float32) for name, each in lists.items()}
    for name, each in lists.items():
        for row, labels in enumerate(each):
            splits[name][row, [places[label] for label in labels]] = 1
    return Labels(names, splits, tuple(notes))


def ordered(found: set[str], own: Sequence[str]) -> tuple[str, ...]:
    """Names in the data set's order if it has one, else numbers in numerical order, names in alphabetical order."""
    if found <= set(own):
        return tuple(own)
    numbers = all(number(value) is not None for value in found)
    return tuple(sorted(found, key=lambda name: (float(name) if numbers else 0.0, name)))
