"""Classification: one class for each text, or for each pair of texts."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from finetune.arguments import arg
from finetune.config import Data, KindName
from finetune.errors import UserError
from finetune.tasks import scores
from finetune.tasks.answer import Answer
from finetune.tasks.cells import is_number, label_columns, missing, number
from finetune.tasks.kind import Array, Kind, Labels, Measure, RawAs, refuse_several
from finetune.tasks.label_cells import hint
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task
from finetune.words import counted, share

# More classes than this, and than half of the rows, mean texts or numbers: the wrong column.
MANY = 20
# This many classes are listed; if there are more, the largest and the smallest.
SHOWN = 8
# Always predicting this class is right in 9 of 10 rows, so accuracy hardly changes.
MAJORITY = 0.9


class Classification(Kind):
    """Labels are class numbers (rows,) int64, predictions are logits (rows, classes)."""

    name: ClassVar[KindName] = "classification"
    problem = "single_label_classification"
    several = False
    named = True
    raw_as: ClassVar[RawAs] = "softmax"
    # The metric beside macro_f1 that the most frequent class alone does not raise.
    agreement = "mcc"
    measures: ClassVar[Mapping[str, Measure]] = {
        "accuracy": Measure(scores.accuracy, "maximize", share=True),
        "macro_f1": Measure(scores.macro_f1, "maximize"),
        "micro_f1": Measure(scores.accuracy, "maximize", share=True),
        "weighted_f1": Measure(scores.weighted_f1, "maximize"),
        "mcc": Measure(scores.mcc, "maximize", agreement=True),
        "log_loss": Measure(scores.log_loss, "minimize"),
        "roc_auc": Measure(scores.of_classes(scores.roc_aucs, 0.5), "maximize"),
        "average_precision": Measure(scores.of_classes(scores.average_precisions, 0.0), "maximize"),
        "qwk": Measure(scores.kappa_of_classes, "maximize", agreement=True),
    }

    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """Words and whole numbers are classes, even if they are written 0.0 and 1.0."""
        values = {str(value).strip().lower() for value in table[columns[0]] if not missing(value)}
        if not values or not all(is_number(value) for value in values):
            return ""
        if not all(float(value).is_integer() for value in values):
            return None
        way = arg("kind", "regression")
        return f"whole numbers are read as {counted(len(values), 'class', 'classes')}; {way} takes them as numbers"

    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """Class numbers; -1 if there are no labels."""
        column = data.label_column[0]
        labelled = {name: table for name, table in tables.items() if name not in unlabelled}
        for name, table in labelled.items():
            refuse_several(table, label_columns([column]), column, name)
        names = classes(labelled, column)
        rows = tables["train"].rows
        if len(names) > max(MANY, rows / 2):
            ways = f"{arg('kind', 'regression')} (or {arg('metric', 'rmse')})"
            what = f"{len(names)} classes in {rows} rows; choose another column, or {ways} if these are numbers"
            raise UserError(f"{label_columns([column])}: {what}")
        numbers = {label: number for number, label in enumerate(names)}
        found = {name: np.array([numbers[str(value)] for value in table[column]]) for name, table in labelled.items()}
        return Labels(names, found | {name: self.blank(names, [""] * tables[name].rows) for name in unlabelled})

    def strata(self, labels: Array) -> Array:
        """Rows of one class are spread evenly over splits."""
        return labels

    def tally(self, labels: Array, names: tuple[str, ...]) -> Array:
        """Rows of each class."""
        return np.bincount(labels, minlength=len(names))

    def cells(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, list[Any]]:
        """The class, the predicted class, and the probability of each."""
        from scipy.special import softmax  # a refused option need not wait for it

        shares = softmax(output.astype(np.float64), axis=-1)
        found: dict[str, list[Any]] = {
            "label": [names[label] for label in labels],
            "predicted": [names[best] for best in output.argmax(-1)],
        }
        return found | {f"p {name}": [f"{share:.4g}" for share in shares[:, i]] for i, name in enumerate(names)}

    def answer(self, names: tuple[str, ...], output: Array) -> Answer:
        """The predicted class, and the probability of each."""
        from scipy.special import softmax

        shares = softmax(output.astype(np.float64), axis=-1)
        predicted = [names[best] for best in output.argmax(-1)]
        return Answer(predicted, {name: shares[:, i] for i, name in enumerate(names)})

    def plain(self, labels: Array, output: Array) -> tuple[Array, Array]:
        """Class numbers (rows,), and the probability of each class (rows, classes)."""
        from scipy.special import softmax

        return labels, softmax(output.astype(np.float64), axis=-1)

    def guess(self, task: Task) -> Array:
        """Every row gets the class shares of the train rows, so the most frequent class is predicted."""
        labels = task.train.labels
        counts = np.bincount(labels.astype(np.int64), minlength=len(task.names))
        # A class that is missing in a part of the rows is not ruled out.
        return np.tile(np.log(np.maximum(counts, 0.5) / len(labels)), (len(task.validation), 1))

    def usual(self, names: tuple[str, ...]) -> str:
        """Accuracy, the share of right predictions."""
        return "accuracy"

    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Classes with their rows; warnings about classes that are alike, empty, or have nearly all rows."""
        tally = np.bincount(train.labels.astype(np.int64), minlength=len(names))
        counts = dict(zip(names, tally.tolist(), strict=True))
        lines = [f"{len(counts)} classes in train: {_listed(counts)}"]
        if several := hint(names):
            lines.append(f"warning: {several}")
        if same := alike(names, counts):
            lines.append(f"warning: some classes differ only by case or blanks: {same}")
        if without := [name for name, count in counts.items() if not count]:
            lines.append(f"warning: no train row has the class {', '.join(map(repr, without[:SHOWN]))}")
        most = max(counts, key=lambda name: counts[name])
        if counts[most] > MAJORITY * len(train):
            what = f"{share(counts[most], len(train))} of the train rows are {most!r}"
            ways = f"{arg('metric', 'macro_f1')} or {self.agreement}"
            lines.append(f"warning: {what}: always predicting it is as accurate; consider {ways}")
        return lines


def classes(tables: Mapping[str, Table], column: str) -> tuple[str, ...]:
    """Class names of the train split: in the data set's order if it has one; whole numbers in numerical order.

    Raises:
        UserError: A row has no label, there is only one class, or another split has a class that train does not have.
    """
    found = complete(tables, column)
    refuse_strange(tables, column, found)
    own = tables["train"].classes.get(column, ())
    if found <= set(own):
        return tuple(name for name in own if name in found)
    numbers = all(number(value) is not None for value in found)
    return tuple(sorted(found, key=lambda label: (float(label) if numbers else 0.0, label)))


def complete(tables: Mapping[str, Table], column: str) -> set[str]:
    """The classes of the train split.

    Raises:
        UserError: A row of any split has no label, or there is only one class.
    """
    where = label_columns([column])
    for name, table in tables.items():
        for row, value in enumerate(table[column]):
            if missing(value):
                more = hint(sorted({str(one) for one in table[column] if not missing(one)}))
                what = f"row {row + 1} of the {name} data has no label{table.place(row)}"
                raise UserError(f"{where}: {what}{more and '; '}{more}")
    found = {str(value) for value in tables["train"][column]}
    if len(found) < 2:
        raise UserError(f"{where}: there is only one class ({next(iter(found))!r}); two are needed")
    return found


def refuse_strange(
    tables: Mapping[str, Table], column: str, known: set[str], who: str = "the train data does not have"
) -> None:
    """Refuse classes that are not known.

    Raises:
        UserError: A split has another class; the message names its first row.
    """
    for name, table in tables.items():
        labels = [str(value) for value in table[column]]
        if strange := sorted(set(labels) - known):
            row = labels.index(strange[0])
            what = f"the {name} data has a class that {who}: {strange[0]!r}"
            raise UserError(f"{label_columns([column])}: {what}, in row {row + 1}{table.place(row)}")


def alike(names: Sequence[str], counts: Mapping[str, int]) -> str:
    """Classes whose names differ only by case or blanks, with their rows; empty if there are none."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    same = [" and ".join(f"{name!r} ({counts[name]})" for name in group) for group in groups.values() if len(group) > 1]
    return ", ".join(same)


def _listed(counts: dict[str, int]) -> str:
    ordered = sorted(counts, key=lambda name: -counts[name]) if len(counts) > SHOWN else list(counts)
    named = [f"{name!r} {counts[name]}" if name != name.strip() else f"{name} {counts[name]}" for name in ordered]
    return ", ".join([*named[: SHOWN - 2], "...", *named[-2:]] if len(named) > SHOWN else named)


KIND = Classification()
