"""What the rows carry beside texts and labels: their group, and the fold that the user put them into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.doubles import plain_text
from finetune.errors import UserError, near
from finetune.folds import Folds
from finetune.tasks.cells import is_number, missing, whole
from finetune.tasks.kind import refuse_several
from finetune.tasks.table import Table, joined
from finetune.words import counted, listed, some

SHOWN = 8
# The group column that files of words have, if marks say where documents begin.
DOCUMENT = "document"
# Marks of scikit-learn's PredefinedSplit for rows that are never validated.
NEVER = "-1"


@dataclass(frozen=True)
class Marks:
    """Group and fold of each row.

    Args:
        groups: The number of each row's group (rows,); None if rows are in no groups.
        folds: The number of the fold that validates each row (rows,); None if the data does not say.
        fold_names: The folds as the data has them, in the order of their numbers.
    """

    groups: NDArray[np.int64] | None = None
    folds: NDArray[np.int64] | None = None
    fold_names: tuple[str, ...] = ()

    def take(self, index: NDArray[np.int64]) -> "Marks":
        """The marks of the rows at ``index``."""
        groups, folds = (None if each is None else each[index] for each in (self.groups, self.folds))
        return Marks(groups, folds, self.fold_names)


def further(folds: Folds) -> list[tuple[str, str]]:
    """The arguments that name further columns, with the columns."""
    pairs = [("group_column", folds.group_column), ("fold_column", folds.fold_column)]
    return [(name, column) for name, column in pairs if column is not None]


def with_documents(tables: Mapping[str, Table], folds: Folds, told: list[str]) -> None:
    """Make the documents of files of words a column, if it is asked for: changes the tables.

    Args:
        tables: The splits.
        folds: The group column.
        told: Lines to print; a line is added if documents might be groups.
    """
    if not tables["train"].documents or DOCUMENT in tables["train"]:
        return
    if folds.group_column == DOCUMENT:
        for table in tables.values():
            if table.documents:
                table[DOCUMENT] = [*table.documents]
    elif folds.folded and folds.group_column is None:
        many = counted(len(set(tables["train"].documents)), "document")
        told.append(f"the train data has {many}; {arg('group_column', DOCUMENT)} keeps the sentences of one together")


def check_marks(tables: Mapping[str, Table], data: Data, folds: Folds) -> None:
    """Refuse group and fold columns that are missing or stand for something else.

    Raises:
        UserError: A column cannot be used; the message names the argument and what would be right.
    """
    for name, column in further(folds):
        where = arg(name, column)
        if column in data.label_column:
            raise UserError(f"{where} is already the {arg('label_column')}: a label would be validated and never trained")
        if name == "fold_column" and column in (data.text_column, data.pair_column):
            raise UserError(f"{where} is a column of texts; name one that has a number for each row's fold")
        for split, table in tables.items():
            if split == "test" or (split == "validation" and not folds.folded):
                continue
            if column in table.twice:
                raise UserError(f"{where}: {table.file} has several columns of that name; rename all but one")
            if column in table:
                continue
            way = near(column, map(str, table))
            if split == "validation" and column in tables["train"]:
                way = "; with folds its rows are divided too: add the column, or give the train file alone"
            raise UserError(f"{where}: no such column in the {split} data{way}")
    if folds.fold_column is not None and folds.fold_column == folds.group_column:
        raise UserError(f"{arg('group_column', folds.group_column)} is already the {arg('fold_column')}; leave it out")


def pooled(tables: Mapping[str, Table], data: Data, folds: Folds, told: list[str]) -> dict[str, Table]:
    """The splits, with the validation rows behind the train rows: folds are made of both."""
    if "validation" not in tables:
        return dict(tables)
    columns = [data.text_column, *([data.pair_column] if data.pair_column else []), *data.label_column]
    columns = list(dict.fromkeys([*columns, *(column for _, column in further(folds))]))
    parts = [tables["train"], tables["validation"]]
    for part in parts:
        for column in [name for name in part if name not in columns]:
            del part[column]
    sizes = " and ".join(f"{part.rows} {split}" for split, part in zip(("train", "validation"), parts, strict=True))
    told.append(f"folds are made of the {sizes} rows together")
    return {"train": joined(parts)} | {name: table for name, table in tables.items() if name not in ("train", "validation")}


def marks_of(table: Table, data: Data, folds: Folds, told: list[str]) -> Marks:
    """Groups and folds of the train rows.

    Raises:
        UserError: A row has no fold, or a cell has several values.
    """
    groups = None if folds.group_column is None else groups_of(table, folds.group_column, data, told)
    numbers, names = None, tuple[str, ...]()
    if folds.fold_column is not None:
        numbers, names = folds_of(table, folds.fold_column, folds.folds)
    return Marks(groups, numbers, names)


def refuse_few_groups(marks: Marks, folds: Folds, data: Data, aside: Sequence[str]) -> None:
    """Refuse groups that do nothing, or are too few.

    Args:
        marks: Groups of the train rows.
        folds: How rows are divided.
        data: How many rows are wanted.
        aside: The splits that are cut from the train rows.

    Raises:
        UserError: Groups are not used, or there are fewer than splits and folds.
    """
    if marks.groups is None:
        return
    where, count = arg("group_column", folds.group_column), len(np.unique(marks.groups))
    if not folds.folded and not aside and data.max_train_rows is None:
        what = f"the data has validation and test rows of its own; {arg('folds', 5)} makes folds of whole groups"
        raise UserError(f"{where} does nothing: {what}")
    need = len(aside) + (folds.folds or 1)
    if count < need:
        parts = [f"{folds.folds} folds"] if folds.folds else ["train"]
        what = f"{need} are needed, at least one each for {listed([*parts, *reversed(aside)])}"
        way = f"; {arg('test_file')} takes test rows of your own" if "test" in aside else ""
        raise UserError(f"{where} has {counted(count, 'group')} in the train data: {what}{way}")


def groups_of(table: Table, column: str, data: Data, told: list[str]) -> NDArray[np.int64]:
    """The number of each row's group. Texts are groups by what they say: case and blanks make no difference."""
    where = arg("group_column", column)
    texts = column in (data.text_column, data.pair_column)
    if not texts:
        refuse_several(table, where, column, "train")
    empty = [row for row, value in enumerate(table[column]) if missing(value)]
    if len(empty) == table.rows:
        raise UserError(f"{where} is empty in every row of the train data")
    if empty:
        own = "is a group of its own" if len(empty) == 1 else "are groups of their own"
        told.append(f"{where}: {counted(len(empty), 'row')} without a group {own}")
    keys = [written(value, texts) for value in table[column]]
    alone = dict.fromkeys(empty)
    # In the order in which scikit-learn's splitters see the values, for they go by it.
    order = in_order({key for row, key in enumerate(keys) if row not in alone})
    numbers: dict[Any, int] = {key: number for number, key in enumerate([*order, *empty])}
    return np.array([numbers[row if row in alone else key] for row, key in enumerate(keys)])


def met_again(tables: Mapping[str, Table], data: Data, folds: Folds) -> list[str]:
    """A line if groups of the test rows are also in the train rows: then the test is easier than folds of whole groups."""
    column = folds.group_column
    if column is None or column == data.text_column or not folds.folded or column not in tables.get("test", {}):
        return []  # equal texts are told anyway
    train, test = ({written(value) for value in tables[split][column] if not missing(value)} for split in ("train", "test"))
    if not (known := len(train & test)):
        return []
    what = (
        f"{known} of {counted(len(test), 'group')} of the test rows {'is' if known == 1 else 'are'} also in the train rows"
    )
    return [f"column {column}: {what}: they are easier to predict than the rows of a fold, whose groups are new"]


def folds_of(table: Table, column: str, asked: int | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The number of each row's fold, and the folds by their numbers, in the order of numbers or of the alphabet."""
    where = arg("fold_column", column)
    refuse_several(table, where, column, "train")
    for row, value in enumerate(table[column]):
        if missing(value):
            raise UserError(f"{where}: row {row + 1} of the train data is empty{table.place(row)}; each row needs a fold")
    cells = [written(value) for value in table[column]]
    names = in_order(set(cells))
    if len(names) < 2:
        raise UserError(f"{where}: every row is in fold {names[0]!r}; two folds or more are needed")
    if names[0] == NEVER and all(is_number(name) for name in names):
        row = cells.index(NEVER)
        what = f"row {row + 1} of the train data has {NEVER}{table.place(row)}"
        raise UserError(f"{where}: {what}; each row is validated in one fold, so give these rows a fold, or leave them out")
    if asked is not None and asked != len(names):
        raise UserError(f"{arg('folds', asked)}, but {where} has {len(names)} folds: {some(names, SHOWN)}; leave one out")
    if len(names) > table.rows / 2:
        way = f"these are ids, not folds; {arg('group_column', column)} and {arg('folds', 5)} keep rows with one id together"
        raise UserError(f"{where} has {len(names)} values in {table.rows} rows: {way}")
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[cell] for cell in cells]), tuple(names)


def written(value: Any, is_text: bool = False) -> str:
    """A cell as its group or fold is called: 1.0 is 1, and case and blanks of a text make no difference."""
    if is_text:
        return plain_text(" ".join(map(str, value)) if isinstance(value, list) else str(value))
    return str(whole(value.strip() if isinstance(value, str) else value))


def in_order(names: set[str]) -> Sequence[str]:
    """Names in the order of numbers, if all are numbers."""
    numbers = all(is_number(name) for name in names)
    return sorted(names, key=lambda name: (float(name), name)) if numbers else sorted(names)
