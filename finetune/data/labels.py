"""What the labels are: classes or numbers, by their values, and said."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.config import Data, Kind
from finetune.data.table import Table
from finetune.errors import UserError
from finetune.tasks.metrics import METRICS

# The square of a larger target is no float32.
LARGEST = 1e18
# Several columns of these alone are several labels of one text.
YES_OR_NO = {"0", "1", "0.0", "1.0", "true", "false"}
# Signs, a point, a power of ten; no zeros in front, which make a name of a number.
WHOLE = r"[+-]?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d{1,2})?"
# What test files hold in place of labels that are kept back.
PLACEHOLDERS = {"-1", "-1.0", "?", "-", "none", "null", "nan", "n/a", "na", "unknown", "unlabeled", "unlabelled"}


def missing(value: Any) -> bool:
    """Whether a cell holds no label; "nan" is what a table without one was saved with."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan")) or bool(value != value)


def number(value: Any) -> float | None:
    """A finite number below ``LARGEST``; None where it is none."""
    return float(value) if is_number(value) and abs(float(value)) < LARGEST else None


def is_number(value: Any) -> bool:
    """Whether it reads as a number; "1_000" does not, and "nan" does."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return "_" not in str(value)


def kind_of(table: Table, columns: Sequence[str], data: Data, metric: str | None, told: list[str]) -> Kind:
    """Classes or numbers: as asked for, as the metric needs it, or as the labels look, which is said.

    Fractions are numbers; words and whole numbers are classes, also where they are written 0.0 and 1.0.

    Raises:
        UserError: Several columns are several labels of one text.
    """
    if data.kind is not None:
        return data.kind
    kinds = METRICS[metric].kinds if metric in METRICS else ()
    if len(kinds) == 1:
        return kinds[0]
    option = f"--label-column {','.join(columns)}"
    values = {str(value).strip().lower() for column in columns for value in table[column] if not missing(value)}
    if len(columns) > 1:
        if values <= YES_OR_NO:
            what = "these columns of 0 and 1 are several labels of one text, which cannot be trained yet"
            raise UserError(f"{option}: {what}; give one column, or --kind regression to treat them as numbers")
        told.append(f"{option}: read as {len(columns)} columns of numbers; --kind classification takes one column")
        return "regression"
    if not values or not all(is_number(value) for value in values):
        return "classification"
    if all(float(value).is_integer() for value in values):
        told.append(f"{option}: whole numbers are read as {len(values)} classes; --kind regression takes them as numbers")
        return "classification"
    told.append(f"{option}: fractions are read as numbers; --kind classification takes them as classes")
    return "regression"


def clean(tables: Mapping[str, Table], data: Data, told: list[str]) -> None:
    """Write labels that mean the same in the same way, in all splits: changes the tables, and says so.

    Blanks around a label are taken off, in a column of decimal commas they become points, and where all of a column
    are whole numbers 1.0 and +1 are 1.
    """
    held = list(tables.values())
    for column in data.label_column:
        cells = [value for table in held for value in table[column]]
        loose = sum(isinstance(value, str) and value != value.strip() and bool(value.strip()) for value in cells)
        if loose:
            for table in held:
                table[column] = [value.strip() if isinstance(value, str) else value for value in table[column]]
            told.append(f"--label-column {column}: blanks around {loose} of {len(cells)} labels are taken off")
        texts = [str(value) for table in held for value in table[column] if not missing(value)]
        if data.kind != "classification" and commas(texts):
            for table in held:
                table[column] = [v.replace(",", ".") if isinstance(v, str) else v for v in table[column]]
            told.append(f"--label-column {column}: decimal commas are read as points; --kind classification leaves them")
        elif texts and all(is_number(text) and float(text).is_integer() for text in texts):
            for table in held:
                table[column] = [whole(value) for value in table[column]]


def commas(texts: Sequence[str]) -> bool:
    """Whether these are numbers with decimal commas; 1,000 may be a thousand, and where all are like it they are left."""
    with_comma = [text for text in texts if re.fullmatch(r"[+-]?\d+,\d+", text)]
    others = set(texts).difference(with_comma)
    if not with_comma or not all(re.fullmatch(r"[+-]?\d+", text) for text in others):
        return False
    return any(len(text.split(",")[1]) != 3 for text in with_comma)


def whole(value: Any) -> Any:
    """A whole number written as 1, where it was 1.0, +1 or 1e0; every other value as it is, 007 and 0.5 too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(WHOLE, value) and float(value).is_integer():
        return str(int(float(value))) if re.search("[.e]", value.lower()) else value.removeprefix("+")
    return value


def classes(tables: Mapping[str, Table] | Mapping[str, dict[str, list[Any]]], column: str) -> tuple[str, ...]:
    """Class names of the training split: in the data set's own order, or whole numbers in theirs.

    Raises:
        UserError: A row has no label, there is only one class, or another split has one that is not among them.
    """
    for name, table in tables.items():
        for row, value in enumerate(table[column]):
            if missing(value):
                place = table.place(row) if isinstance(table, Table) else ""
                raise UserError(f"--label-column {column}: row {row + 1} of the {name} data has no label{place}")
    found = {str(value) for value in tables["train"][column]}
    if len(found) < 2:
        raise UserError(f"--label-column {column}: one class only ({next(iter(found))!r}); two are needed")
    for name, table in tables.items():
        strange = sorted({str(value) for value in table[column]} - found)
        if strange:
            row = [str(value) for value in table[column]].index(strange[0])
            where = f"row {row + 1}{table.place(row) if isinstance(table, Table) else ''}"
            what = f"the {name} data has {strange[0]!r}, which the train data has not: {where}"
            raise UserError(f"--label-column {column}: {what}")
    train = tables["train"]
    own = train.classes.get(column, ()) if isinstance(train, Table) else ()
    if found <= set(own):
        return tuple(name for name in own if name in found)
    numbers = all(number(value) is not None for value in found)
    return tuple(sorted(found, key=lambda label: (float(label) if numbers else 0.0, label)))


def alike(names: Sequence[str], counts: Mapping[str, int]) -> str:
    """Classes whose names differ by case or blanks alone, with their rows; empty where there are none."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    same = [" and ".join(f"{name!r} ({counts[name]})" for name in group) for group in groups.values() if len(group) > 1]
    return ", ".join(same)


def unlabelled(table: Table, train: Table, columns: Sequence[str], kind: Kind | None = None) -> str:
    """Why a test split is taken to have no labels; empty where it has some.

    It has no such column, nothing in it, or one placeholder in all its rows: a usual one, or for classes any other
    that is none of the training split.
    """
    for column in columns:
        if column not in table:
            return f"has no column {column!r}"
        values = {"" if missing(value) else str(whole(value)) for value in table[column]}
        if values == {""}:
            return f"has nothing in column {column!r}"
        only = next(iter(values))
        usual = only.lower() in PLACEHOLDERS or (kind == "classification" and table.rows > 1)
        if len(values) == 1 and usual and only not in {str(whole(value)) for value in train[column]}:
            return f"has {only!r} for every label"
    return ""
