"""Labels: their kind is detected from their values, and all are written in one way; they may also be missing."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.splits import another
from finetune.errors import UserError
from finetune.tasks import KINDS
from finetune.tasks.cells import is_number, label_columns, missing, whole
from finetune.tasks.kind import Kind
from finetune.tasks.metrics import METRICS, viewed
from finetune.tasks.table import Table

# What test files have instead of labels that are kept secret.
PLACEHOLDERS = {"-1", "-1.0", "?", "-", "none", "null", "nan", "n/a", "na", "unknown", "unlabeled", "unlabelled"}


def kind_of(table: Table, columns: Sequence[str], data: Data, metric: str | None, told: list[str]) -> Kind:
    """The kind of task: the requested one, else the only one with the metric, else what the labels look like (printed).

    Raises:
        UserError: The kind takes only one label column, the labels do not look like those of any kind, or an option of the
            data is for another kind.
    """
    kind = _kind_of(table, columns, data, metric, told)
    for other in KINDS.values():
        for option in [name for name in other.options if name not in kind.options and given(data, name)]:
            ways = f"{arg('kind', other.name)}, and these labels are read as {kind.name}"
            raise UserError(f"{arg(option, value_of(data, option))} is for {ways}")
    return kind


def _kind_of(table: Table, columns: Sequence[str], data: Data, metric: str | None, told: list[str]) -> Kind:
    kind, why = asked_kind(data)
    found = list(KINDS.values()) if kind is None else [kind]
    if kind is None and metric is not None and viewed(metric)[1] in METRICS:
        found, why = [KINDS[name] for name in METRICS[viewed(metric)[1]].kinds], arg("metric", metric)
        found = [kind for kind in found if not kind.by_name] or found
    if len(found) > 1:
        for kind in found:
            line = kind.recognise(table, columns) if kind.several or len(columns) == 1 else None
            if line is not None:
                told += [f"{label_columns(columns)}: {line}"] if line else []
                return kind
        found = [kind for kind in found if len(columns) == 1 or kind.several]
        found = sorted(found, key=lambda kind: kind.several)  # the metric decides: one column is one label
    if len(columns) > 1 and (not found or not found[0].several):
        raise UserError(f"{label_columns(columns)}: {why} takes one column of labels")
    return found[0]


def asked_kind(data: Data) -> tuple[Kind | None, str]:
    """The kind that the user named, or that an option implies, and that option; None if there is none."""
    if data.kind is not None:
        return KINDS[data.kind], arg("kind", data.kind)
    implied = [(kind, name) for kind in KINDS.values() for name in kind.implied if given(data, name)]
    return (implied[0][0], arg(implied[0][1], value_of(data, implied[0][1]))) if implied else (None, "")


def given(data: Data, name: str) -> bool:
    """Whether an option of the data has another value than its default."""
    return bool(getattr(data, name) != Data.model_fields[name].default)


def value_of(data: Data, name: str) -> Any:
    """The value of an option, for a message."""
    value = getattr(data, name)
    return list(value) if isinstance(value, tuple) else value


def clean(tables: Mapping[str, Table], data: Data, told: list[str]) -> None:
    """Write labels that mean the same in the same way, in all splits: changes the tables and adds lines that say so.

    Blanks around labels are removed. In a column with decimal commas, commas become points. In a column of whole
    numbers, 1.0 and +1 become 1.
    """
    held = list(tables.values())
    kind = asked_kind(data)[0]
    named = kind is not None and kind.named and not kind.by_name  # an order may be that of numbers
    for column in data.label_column:
        where = label_columns([column])
        cells = [value for table in held for value in table[column]]
        loose = sum(isinstance(value, str) and value != value.strip() and bool(value.strip()) for value in cells)
        if loose:
            for table in held:
                table[column] = [value.strip() if isinstance(value, str) else value for value in table[column]]
            told.append(f"{where}: blanks around {loose} of {len(cells)} labels are removed")
        texts = [str(value) for table in held for value in table[column] if not missing(value)]
        if not named and commas(texts):
            for table in held:
                table[column] = [v.replace(",", ".") if isinstance(v, str) else v for v in table[column]]
            ways = f"{arg('kind', 'classification')} leaves them, {arg('kind', 'multilabel')} takes numbers of labels"
            told.append(f"{where}: decimal commas are read as points; {ways}")
        elif texts and all(is_number(text) and float(text).is_integer() for text in texts):
            for table in held:
                table[column] = [whole(value) for value in table[column]]


def commas(texts: Sequence[str]) -> bool:
    """Whether these are numbers with decimal commas; no if all are like 1,000, which may be a thousand."""
    with_comma = [text for text in texts if re.fullmatch(r"[+-]?\d+,\d+", text)]
    others = set(texts).difference(with_comma)
    if not with_comma or not all(re.fullmatch(r"[+-]?\d+", text) for text in others):
        return False
    return any(len(text.split(",")[1]) != 3 for text in with_comma)


def keep_for_prediction(tables: dict[str, Table], columns: Sequence[str], kind: Kind | None, told: list[str]) -> set[str]:
    """The test split, if it has no labels: it is read but not scored, and a line says so."""
    if "test" not in tables:
        return set()
    reason = unlabelled(tables["test"], tables["train"], columns, kind is not None and kind.named)
    if reason:
        source = tables["test"].file or "the test split"
        told.append(f"{source} {reason}: it is kept for prediction and not scored; {another('test')}")
    return {"test"} if reason else set()


def unlabelled(table: Table, train: Table, columns: Sequence[str], named: bool = False) -> str:
    """Why a test split counts as unlabelled; empty if it has labels.

    Either it has no label column, or the column is empty, or all rows have the same placeholder: a usual one, or, if
    labels are names, any value that is not a label of the train split.
    """
    for column in columns:
        if column not in table:
            return f"has no column {column!r}"
        values = {"" if missing(value) else str(whole(value)) for value in table[column]}
        if values == {""}:
            return f"has nothing in column {column!r}"
        only = next(iter(values))
        usual = only.lower() in PLACEHOLDERS or (named and table.rows > 1)
        if len(values) == 1 and usual and only not in {str(whole(value)) for value in train[column]}:
            return f"has {only!r} for every label"
    return ""
