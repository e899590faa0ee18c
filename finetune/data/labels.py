"""Labels: their kind, detected by their values; written in one way; or missing altogether."""

import re
from collections.abc import Mapping, Sequence

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.splits import another
from finetune.errors import UserError
from finetune.tasks import KINDS
from finetune.tasks.cells import is_number, label_columns, missing, whole
from finetune.tasks.kind import Kind
from finetune.tasks.metrics import METRICS
from finetune.tasks.table import Table

# What test files hold in place of labels that are kept back.
PLACEHOLDERS = {"-1", "-1.0", "?", "-", "none", "null", "nan", "n/a", "na", "unknown", "unlabeled", "unlabelled"}


def kind_of(table: Table, columns: Sequence[str], data: Data, metric: str | None, told: list[str]) -> Kind:
    """The kind of task: the one asked for, the only one with the metric, or else what the labels look like (printed).

    Raises:
        UserError: The kind takes one label column, or the labels look like those of no kind.
    """
    found, why = list(KINDS.values()), ""
    if data.kind is not None:
        found, why = [KINDS[data.kind]], arg("kind", data.kind)
    elif metric in METRICS:
        found, why = [KINDS[name] for name in METRICS[metric].kinds], arg("metric", metric)
    if len(found) == 1:
        if len(columns) > 1 and not found[0].several:
            raise UserError(f"{label_columns(columns)}: {why} takes one column of labels")
        return found[0]
    for kind in found:
        line = kind.recognise(table, columns) if kind.several or len(columns) == 1 else None
        if line is not None:
            told += [f"{label_columns(columns)}: {line}"] if line else []
            return kind
    what = "these columns of 0 and 1 are several labels of one text, which cannot be trained yet"
    way = f"give one column, or {arg('kind', 'regression')} to treat them as numbers"
    raise UserError(f"{label_columns(columns)}: {what}; {way}")


def clean(tables: Mapping[str, Table], data: Data, told: list[str]) -> None:
    """Write labels that mean the same in the same way, in all splits: changes the tables, and says so.

    Blanks around a label are removed, in a column of decimal commas they become points, and where all of a column
    are whole numbers 1.0 and +1 are 1.
    """
    held = list(tables.values())
    named = data.kind is not None and KINDS[data.kind].named
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
            told.append(f"{where}: decimal commas are read as points; {arg('kind', 'classification')} leaves them")
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
    """Why a test split is taken to have no labels; empty where it has some.

    It has no such column, nothing in it, or one placeholder in all its rows: a usual one, or for labels that are names
    any other that is none of the training split.
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
