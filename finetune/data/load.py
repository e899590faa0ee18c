"""From configured data to a checked task."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from finetune.config import Data, Kind
from finetune.data.files import read_tables
from finetune.data.labels import LARGEST, classes, clean, kind_of, number, unlabelled
from finetune.data.reviews import LABELS, reviews
from finetune.data.table import Table
from finetune.errors import UserError, near
from finetune.tasks.task import Rows, Task, split, subset

TASKS = ("reviews",)
# The share put aside for a split that the data does not bring.
ASIDE = 0.15
# Fewer rows make no train, validation and test split.
FEWEST = 10
# More classes than this, and than half of the rows, are texts or numbers in the wrong column.
MANY = 20
REVIEWS = {"train": 600, "validation": 600, "test": 1000, "unlabelled": 6000}


def load_task(data: Data, metric: str | None = None) -> Task:
    """Read, check and split.

    Args:
        data: Where the rows come from, and how they are read.
        metric: Its kind decides between classes and numbers where the labels leave it open.

    Raises:
        UserError: The data cannot be used; says which file, column or value.
    """
    if sum(source is not None for source in (data.task, data.data, data.train_file)) != 1:
        raise UserError("give exactly one of task, data and train_file")
    if data.task is not None:
        if data.task not in TASKS:
            raise UserError(f"unknown task {data.task!r}{near(data.task, TASKS)}; for your own data use --data")
        return built_in(data)
    told: list[str] = []
    tables = read_tables(data, told)
    without = keep_for_prediction(tables, data.label_column, None, told)
    check_columns(tables, data, without)
    rows = len(tables["train"][data.text_column])
    if rows < FEWEST:
        raise UserError(f"the train data has {rows} row{'s' * (rows != 1)}; at least {FEWEST} are needed")
    kind, names = labels_of(tables, data, metric, without, told)
    parts = {name: rows_of(table, data, kind, names, name, name not in without) for name, table in tables.items()}
    for column, target in zip(names, parts["train"].labels.T, strict=True) if kind == "regression" else ():
        if np.ptp(target) == 0:
            raise UserError(f"--label-column {column}: every target in the train data is {target[0]:g}; nothing to learn")
    put_aside(parts, kind, told)
    train = subset(parts["train"], kind, data.max_train_rows)
    validation = subset(parts["validation"], kind, data.max_validation_rows)
    return Task(task_name(data), kind, names, train, validation, parts["test"], notes=tuple(told))


def labels_of(
    tables: dict[str, Table], data: Data, metric: str | None, without: set[str], told: list[str]
) -> tuple[Kind, tuple[str, ...]]:
    """Kind of task, and names of classes or targets; labels are written in one way.

    Args:
        tables: Changed: labels that mean the same become the same.
        data: Columns, and the kind where it is given.
        metric: Decides where labels leave it open.
        without: Splits without labels; a test split of one placeholder is added.
        told: Lines to print, added to.

    Raises:
        UserError: A label is missing, or labels and kind do not fit.
    """
    labelled = {name: table for name, table in tables.items() if name not in without}
    clean(labelled, data, told)
    kind = kind_of(tables["train"], data.label_column, data, metric, told)
    if kind == "regression":
        return kind, data.label_column
    column = data.label_column[0]
    if len(data.label_column) > 1:
        why = f"--metric {metric}" if data.kind is None else f"--kind {kind}"
        raise UserError(f"--label-column {','.join(data.label_column)}: {why} takes one column of classes")
    without |= keep_for_prediction(labelled, data.label_column, kind, told)
    names = classes({name: table for name, table in labelled.items() if name not in without}, column)
    rows = tables["train"].rows
    if len(names) > max(MANY, rows / 2):
        way = "choose another column, or --kind regression (or --metric rmse) if these are numbers"
        raise UserError(f"--label-column {column}: {len(names)} classes in {rows} rows; {way}")
    return kind, names


def keep_for_prediction(tables: dict[str, Table], columns: tuple[str, ...], kind: Kind | None, told: list[str]) -> set[str]:
    """The test split, where it has no labels: it is read, and not scored, which is said."""
    if "test" not in tables:
        return set()
    reason = unlabelled(tables["test"], tables["train"], columns, kind)
    if reason:
        source = tables["test"].file or "the test split"
        told.append(f"{source} {reason}: it is kept for prediction and not scored; --test-file takes another")
    return {"test"} if reason else set()


def put_aside(parts: dict[str, Rows], kind: Kind, told: list[str]) -> None:
    """Cut the splits that the data does not bring from the training rows, and say so: changes ``parts``."""
    rows = parts["train"]
    aside, cut = max(2, round(len(rows) * ASIDE)), []
    for name in ("test", "validation"):
        if name not in parts:
            parts["train"], parts[name] = split(parts["train"], kind, aside)
            cut.append(name)
    if cut:
        options = " and ".join(f"--{name}-file" for name in reversed(cut))
        one = "brings" if len(cut) == 1 else "bring"
        what = f"{aside} of the {len(rows)} train rows are put aside for {' and as many for '.join(reversed(cut))}"
        told.append(f"{what}; {options} {one} your own")


def check_columns(tables: dict[str, Table], data: Data, without: set[str]) -> None:
    """Refuse columns that are missing, named twice, or hold more than one value in a cell.

    Args:
        tables: All splits.
        data: The columns.
        without: Splits that need no labels.

    Raises:
        UserError: One does; names the option and what is there.
    """
    named = [("text", data.text_column), *([("pair", data.pair_column)] if data.pair_column is not None else [])]
    named += [("label", column) for column in data.label_column]
    seen: dict[str, str] = {}
    for option, column in named:
        where = f"--{option}-column {column}"
        if column in seen:
            raise UserError(f"{where} is the --{seen[column]}-column already; name another")
        seen[column] = option
        for name, table in tables.items():
            if option == "label" and name in without:
                continue
            if column not in table:
                way = headless(table) or near(column, map(str, table))
                raise UserError(f"{where}: no such column in the {name} data{way}")
            for row, value in enumerate(table[column]):
                if isinstance(value, list | dict | bytes):
                    what = f"row {row + 1} of the {name} data is {str(value)[:40]}"
                    raise UserError(f"{where}: {what}, not a single value{table.place(row)}")


def headless(table: Table) -> str:
    """The end of a message: that the file's first line looks like a row, where a name recurs in its own column."""
    if any(name.strip() and values.count(name) > 1 for name, values in table.items()):
        return f"; the first line of {table.file} looks like a row: a header with column names is needed"
    return ""


def built_in(data: Data) -> Task:
    """The task ``reviews``."""
    texts, words = reviews(sum(REVIEWS.values()) - REVIEWS["unlabelled"], seed=1)
    labels = np.array([LABELS.index(word) for word in words])
    parts, start = [], 0
    for name in ("train", "validation", "test"):
        end = start + REVIEWS[name]
        parts.append(Rows(texts[start:end], None, labels[start:end]))
        start = end
    more = tuple(reviews(REVIEWS["unlabelled"], seed=2)[0])
    train = subset(parts[0], "classification", data.max_train_rows)
    validation = subset(parts[1], "classification", data.max_validation_rows)
    return Task("reviews", "classification", LABELS, train, validation, parts[2], more)


def task_name(data: Data) -> str:
    """A short name for studies and folders."""
    source = Path(data.train_file).stem if data.train_file else Path(str(data.data)).name
    if data.train_file and source == "train":
        source = Path(data.train_file).resolve().parent.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.") or "data"


def rows_of(table: Table, data: Data, kind: Kind, names: tuple[str, ...], name: str, labelled: bool = True) -> Rows:
    """Check one split and turn labels into numbers; without labels they are -1, or not a number.

    Raises:
        UserError: Texts are all empty, or a target is no number; names the row.
    """
    texts = [_text(value) for value in table[data.text_column]]
    if not any(text.strip() for text in texts):
        raise UserError(f"--text-column {data.text_column}: every text in the {name} data is empty")
    pairs = [_text(value) for value in table[data.pair_column]] if data.pair_column else None
    if kind == "classification":
        numbers = {label: number for number, label in enumerate(names)}
        found = [numbers[str(value)] for value in table[data.label_column[0]]] if labelled else [-1] * len(texts)
        return Rows(texts, pairs, np.array(found), labelled)
    targets = []
    for column in data.label_column:
        values = [number(value) for value in table[column]] if labelled else [float("nan")] * len(texts)
        if None in values:
            row = next(row for row, value in enumerate(values) if value is None)
            value = table[column][row]
            none = value is None or value != value
            what = "has no label" if none else f"is {value!r}, not a finite number below {LARGEST:g}"
            raise UserError(f"--label-column {column}: row {row + 1} of the {name} data {what}{table.place(row)}")
        targets.append(values)
    return Rows(texts, pairs, np.array(targets, dtype=np.float32).T.copy(), labelled)


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)
