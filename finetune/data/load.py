"""From configured data to a checked task."""

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from finetune.arguments import Line, arg
from finetune.config import Data
from finetune.data import tagged
from finetune.data.doubles import in_folds
from finetune.data.files import read_tables
from finetune.data.folding import fold_numbers
from finetune.data.labels import clean, keep_for_prediction, kind_of
from finetune.data.marks import Marks, check_marks, further, marks_of, met_again, pooled, refuse_few_groups, with_documents
from finetune.data.parts import chosen, put_aside, subset
from finetune.data.reviews import LABELS, reviews
from finetune.data.word_rows import gathered
from finetune.errors import UserError, near
from finetune.folds import Folds
from finetune.own_name import short_name
from finetune.tasks.cells import text
from finetune.tasks.kind import Kind, Labels, refuse_several
from finetune.tasks.own_metric import notes_of, own_of
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task
from finetune.words import counted

TASKS = ("reviews",)
# Fewer rows are not enough for a train, validation and test split.
FEWEST = 10
REVIEWS = {"train": 600, "validation": 600, "test": 1000, "unlabelled": 6000}
generated = cache(reviews)
EMPTY = (Rows([], None, np.empty(0)),) * 3


def load_task(data: Data, metric: str | None = None, folds: Folds | None = None) -> Task:
    """Read, check and split the data.

    Args:
        data: Where the rows come from, and how to read them.
        metric: Decides between kinds of task if the labels leave it open; one or two, also the user's own.
        folds: How the rows are divided. With folds, train and validation are the same rows, all that are not test rows.

    Raises:
        UserError: The data cannot be used; the message says which file, column or value is wrong.

    Example:
        >>> rows = [f"film number {n} was {word},{word}" for n in range(20) for word in ("good", "bad")]
        >>> with open("films.csv", "w") as file:
        ...     print("text,label", *rows, sep=chr(10), file=file)
        >>> task = load_task(Data(train_file="films.csv"))
        >>> task.kind, task.names, len(task.train), len(task.validation), len(task.test)
        ('classification', ('bad', 'good'), 28, 6, 6)
        >>> print(*task.notes)
        6 of the 40 train rows are put aside for validation and as many for test; validation_file and test_file take your own
    """
    own = own_of(metric)
    task = _load(data, None if metric is None else short_name(metric.split(",")[0]), folds or Folds())
    return replace(task, own=own, notes=(*task.notes, *notes_of(own))) if own else task


def _load(data: Data, metric: str | None, folds: Folds) -> Task:
    if sum(source is not None for source in (data.task, data.data, data.train_file)) != 1:
        raise UserError(f"give exactly one of {arg('task')}, {arg('data')} and {arg('train_file')}")
    if data.task is not None:
        if data.task not in TASKS:
            raise UserError(f"unknown task {data.task!r}{near(data.task, TASKS)}; for your own data use {arg('data')}")
        return built_in(data, folds)
    told: list[str] = []
    data = tagged.asked(data, metric)
    tables, data = gathered(read_tables(data, told), data, told, [column for _, column in further(folds)])
    data = tagged.found(tables, data, told)
    without = keep_for_prediction(tables, data.label_column, None, told)
    check_columns(tables, data, without)
    with_documents(tables, folds, told)
    check_marks(tables, data, folds)
    tables = pooled(tables, data, folds, told) if folds.folded else tables
    rows = tables["train"].rows
    if rows < FEWEST:
        raise UserError(f"the train data has {counted(rows, 'row')}; at least {FEWEST} are needed")
    kind = labels_of(tables, data, metric, without, told)
    labels = kind.read(tables, data, without)
    told += labels.notes
    parts = {name: rows_of(table, data, kind, labels, name, name not in without) for name, table in tables.items()}
    task = Task(task_name(data), kind.name, labels.names, *EMPTY, form=kind.form(data))
    marks = marks_of(tables["train"], data, folds, told)
    told += met_again(tables, data, folds)
    return parted(task, parts, marks, data, folds, told)


def parted(task: Task, parts: dict[str, Rows], marks: Marks, data: Data, folds: Folds, told: list[str]) -> Task:
    """The task with its splits or folds.

    Args:
        task: Without rows.
        parts: The splits that the data has.
        marks: Groups and folds of the train rows.
        data: How many rows are wanted.
        folds: How the rows are divided.
        told: Lines to print; lines are added.

    Raises:
        UserError: There are too few rows or groups.
    """
    wanted = ("test",) if folds.folded else ("test", "validation")
    refuse_few_groups(marks, folds, data, [name for name in wanted if name not in parts])
    left = put_aside(parts, task.kind, told, marks.groups, wanted)
    marks = marks.take(left)
    train = chosen(parts["train"], task.kind, data.max_train_rows, marks.groups)
    if (
        marks.groups is not None
        and data.max_train_rows is not None
        and len(train) != data.max_train_rows < len(marks.groups)
    ):
        told.append(f"{arg('max_train_rows', data.max_train_rows)}: {len(train)} rows, of whole groups")
    marks, rows, fold_of = marks.take(train), parts["train"].take(train), None
    if folds.folded:
        validation, fold_of = rows, fold_numbers(rows, task.kind, task.names, folds, marks, told)
        told += in_folds(rows, fold_of, data, folds)
    else:
        validation = subset(parts["validation"], task.kind, data.max_validation_rows)
    notes, grouped = tuple(map(Line, told)), marks.groups if folds.folded else None
    return replace(task, train=rows, validation=validation, test=parts["test"], notes=notes, fold_of=fold_of, groups=grouped)


def labels_of(tables: dict[str, Table], data: Data, metric: str | None, without: set[str], told: list[str]) -> Kind:
    """The kind of task; labels are rewritten in one way.

    Args:
        tables: Changed: labels that mean the same become equal.
        data: The columns, and the kind if it is given.
        metric: Decides between kinds if the labels leave it open.
        without: Splits without labels; a test split that has only a placeholder is added.
        told: Lines to print; lines are added.

    Raises:
        UserError: The labels do not fit any kind, or the metric's kind takes other columns.
    """
    if data.kind == tagged.KIND:
        tagged.clean(tables, data, without, told)
        return kind_of(tables["train"], data.label_column, data, metric, told)
    labelled = {name: table for name, table in tables.items() if name not in without}
    clean(labelled, data, told)
    kind = kind_of(tables["train"], data.label_column, data, metric, told)
    if kind.named:
        without |= keep_for_prediction(labelled, data.label_column, kind, told)
    return kind


def check_columns(tables: dict[str, Table], data: Data, without: set[str]) -> None:
    """Refuse columns that are missing or named twice.

    Args:
        tables: All splits.
        data: The columns.
        without: Splits that need no labels.

    Raises:
        UserError: A column is missing or named twice; the message names the argument and the existing columns.
    """
    named = [
        ("text_column", data.text_column),
        *([("pair_column", data.pair_column)] if data.pair_column is not None else []),
    ]
    named += [("label_column", column) for column in data.label_column]
    seen: dict[str, str] = {}
    for name, column in named:
        where = arg(name, column)
        if column in seen:
            raise UserError(f"{where} is already the {arg(seen[column])}; name another")
        seen[column] = name
        for split, table in tables.items():
            if column not in table and not (name == "label_column" and split in without):
                way = headless(table) or near(column, map(str, table))
                raise UserError(f"{where}: no such column in the {split} data{way}")


def headless(table: Table) -> str:
    """The end of a message if the file's first line looks like a row: a column name recurs as a value of its column."""
    if any(name.strip() and values.count(name) > 1 for name, values in table.items()):
        apart = any(line > before + 1 for before, line in pairwise(table.lines))
        way = f"; for words with tags, an empty line after each sentence, give {arg('kind', 'tokens')}" if apart else ""
        return f"; the first line of {table.file} looks like a row: a header with column names is needed{way}"
    return ""


def built_in(data: Data, folds: Folds) -> Task:
    """The task ``reviews``."""
    texts, words = generated(sum(REVIEWS.values()) - REVIEWS["unlabelled"], seed=1)
    labels = np.array([LABELS.index(word) for word in words])
    parts, start, told = dict[str, Rows](), 0, list[str]()
    for name in ("train", "validation", "test"):
        end = start + REVIEWS[name]
        parts[name] = Rows(texts[start:end], None, labels[start:end])
        start = end
    more = tuple(generated(REVIEWS["unlabelled"], seed=2)[0])
    if folds.folded:
        end = REVIEWS["train"] + REVIEWS["validation"]
        del parts["validation"]
        parts["train"] = Rows(texts[:end], None, labels[:end])
        told.append(f"folds are made of the {REVIEWS['train']} train and {REVIEWS['validation']} validation rows together")
    task = Task("reviews", "classification", LABELS, *EMPTY, unlabelled=more)
    return parted(task, parts, Marks(), data, folds, told)


def task_name(data: Data) -> str:
    """A short name for studies and folders."""
    source = Path(data.train_file).stem if data.train_file else Path(str(data.data)).name
    if data.train_file and source == "train":
        source = Path(data.train_file).resolve().parent.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.") or "data"


def rows_of(table: Table, data: Data, kind: Kind, labels: Labels, split: str, labelled: bool) -> Rows:
    """The rows of one split.

    Raises:
        UserError: All texts are empty, or a cell has several values.
    """
    texts, pairs = kind.texts(table, data.text_column, split), None
    if data.pair_column:
        refuse_several(table, arg("pair_column", data.pair_column), data.pair_column, split)
        pairs = [text(value) for value in table[data.pair_column]]
    return Rows(texts, pairs, labels.splits[split], labelled)
