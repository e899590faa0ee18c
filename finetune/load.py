"""From configured data to a checked task."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from finetune.config import Data
from finetune.errors import UserError, near
from finetune.files import Table, read_tables
from finetune.metrics import METRICS
from finetune.reviews import LABELS, reviews
from finetune.task import Kind, Rows, Task, split, subset

TASKS = ("reviews",)
# The share put aside for a split that the data does not bring.
ASIDE = 0.15
# Fewer rows make no train, validation and test split.
FEWEST = 10
# More classes than this, and than half of the rows, are texts or numbers in the wrong column.
MANY = 20
# The square of a larger target is no float32.
LARGEST = 1e18
REVIEWS = {"train": 600, "validation": 600, "test": 1000, "unlabelled": 6000}


def load_task(data: Data, metric: str | None = None) -> Task:
    """Read, check and split.

    Args:
        data: Where the rows come from.
        metric: Its kind decides between classes and numbers where the labels leave it open.

    Raises:
        UserError: The data cannot be used; says which file, column or value.
    """
    if sum(source is not None for source in (data.task, data.data, data.train_file)) != 1:
        raise UserError("give exactly one of task, data and train_file")
    if data.task is not None:
        if data.task not in TASKS:
            raise UserError(f"unknown task {data.task!r}{near(data.task, TASKS)}; for your own data use --data")
        return built_in(data.max_train_rows)
    tables = read_tables(data)
    check_columns(tables, data)
    rows = len(tables["train"][data.text_column])
    if rows < FEWEST:
        raise UserError(f"the train data has {rows} row{'s' * (rows != 1)}; at least {FEWEST} are needed")
    kind = kind_of(tables["train"], data.label_column, metric)
    if kind == "classification" and len(data.label_column) > 1:
        raise UserError(f"--label-column {','.join(data.label_column)}: {metric} takes one column of classes")
    names = data.label_column if kind == "regression" else classes(tables, data.label_column[0])
    if kind == "classification" and len(names) > max(MANY, rows / 2):
        what = f"{len(names)} classes in {rows} rows; choose another column, or --metric rmse if these are numbers"
        raise UserError(f"--label-column {data.label_column[0]}: {what}")
    parts = {name: rows_of(table, data, kind, names, name) for name, table in tables.items()}
    train = parts["train"]
    for column, target in zip(names, train.labels.T, strict=True) if kind == "regression" else ():
        if np.ptp(target) == 0:
            raise UserError(f"--label-column {column}: every target in the train data is {target[0]:g}; nothing to learn")
    aside = max(2, round(len(train) * ASIDE))
    if "test" not in parts:
        train, parts["test"] = split(train, kind, aside)
    if "validation" not in parts:
        train, parts["validation"] = split(train, kind, aside)
    train = subset(train, kind, data.max_train_rows)
    return Task(task_name(data), kind, names, train, parts["validation"], parts["test"])


def check_columns(tables: dict[str, Table], data: Data) -> None:
    """Refuse columns that are missing, named twice, or hold more than one value in a cell.

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
            if column not in table:
                raise UserError(f"{where}: no such column in the {name} data{near(column, map(str, table))}")
            for row, value in enumerate(table[column]):
                if isinstance(value, list | dict):
                    what = f"row {row + 1} of the {name} data is {str(value)[:40]}"
                    raise UserError(f"{where}: {what}, not a single value")


def built_in(max_train_rows: int | None) -> Task:
    """The task ``reviews``."""
    texts, words = reviews(sum(REVIEWS.values()) - REVIEWS["unlabelled"], seed=1)
    labels = np.array([LABELS.index(word) for word in words])
    parts, start = [], 0
    for name in ("train", "validation", "test"):
        end = start + REVIEWS[name]
        parts.append(Rows(texts[start:end], None, labels[start:end]))
        start = end
    more = tuple(reviews(REVIEWS["unlabelled"], seed=2)[0])
    train = subset(parts[0], "classification", max_train_rows)
    return Task("reviews", "classification", LABELS, train, parts[1], parts[2], more)


def task_name(data: Data) -> str:
    """A short name for studies and folders."""
    source = Path(data.train_file).stem if data.train_file else Path(str(data.data)).name
    if data.train_file and source == "train":
        source = Path(data.train_file).resolve().parent.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.") or "data"


def kind_of(table: Table, columns: tuple[str, ...], metric: str | None) -> Kind:
    """Several columns, or fractions, are targets; words and whole numbers are classes, unless the metric says otherwise."""
    kinds = METRICS[metric].kinds if metric in METRICS else ()
    if len(kinds) == 1:
        return kinds[0]
    if len(columns) > 1:
        return "regression"
    values = [str(value) for value in table[columns[0]]]
    fractions = all(_is_number(value) for value in values) and any("." in value for value in values)
    return "regression" if fractions else "classification"


def classes(tables: dict[str, Table], column: str) -> tuple[str, ...]:
    """Class names of the training split, whole numbers in their order.

    Raises:
        UserError: A row has no label, there is only one class, or another split has one that is not among them.
    """
    for name, table in tables.items():
        for row, value in enumerate(table[column]):
            if value is None or value == "" or value != value:
                raise UserError(f"--label-column {column}: row {row + 1} of the {name} data has no label")
    found = {str(value) for value in tables["train"][column]}
    if len(found) < 2:
        raise UserError(f"--label-column {column}: one class only ({next(iter(found))!r}); two are needed")
    for name, table in tables.items():
        strange = sorted({str(value) for value in table[column]} - found)
        if strange:
            raise UserError(f"--label-column {column}: the {name} data has {strange[0]!r}, which the train data has not")
    numbers = all(_number(value) is not None for value in found)
    return tuple(sorted(found, key=lambda label: (float(label) if numbers else 0.0, label)))


def rows_of(table: Table, data: Data, kind: Kind, names: tuple[str, ...], name: str) -> Rows:
    """Check one split and turn labels into numbers.

    Raises:
        UserError: Texts are all empty, or a target is no number; names the row.
    """
    texts = [_text(value) for value in table[data.text_column]]
    if not any(text.strip() for text in texts):
        raise UserError(f"--text-column {data.text_column}: every text in the {name} data is empty")
    pairs = [_text(value) for value in table[data.pair_column]] if data.pair_column else None
    if kind == "classification":
        numbers = {label: number for number, label in enumerate(names)}
        return Rows(texts, pairs, np.array([numbers[str(value)] for value in table[data.label_column[0]]]))
    targets = []
    for column in data.label_column:
        values = [_number(value) for value in table[column]]
        if None in values:
            row = values.index(None)
            what = f"row {row + 1} of the {name} data is {table[column][row]!r}, not a finite number below {LARGEST:g}"
            raise UserError(f"--label-column {column}: {what}")
        targets.append(values)
    return Rows(texts, pairs, np.array(targets, dtype=np.float32).T.copy())


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _number(value: Any) -> float | None:
    return float(value) if _is_number(value) and abs(float(value)) < LARGEST else None
