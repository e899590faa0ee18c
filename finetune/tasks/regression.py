"""Regression: one number for each text, or several."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from finetune.arguments import arg
from finetune.config import Data
from finetune.errors import UserError
from finetune.tasks.answer import Answer
from finetune.tasks.cells import LARGEST, answers, is_number, label_columns, missing, number
from finetune.tasks.kind import Array, Kind, Labels, Measure, Scale, refuse_several
from finetune.tasks.scores import correlation, kappa_of_numbers, mae, mcrmse, rmse
from finetune.tasks.spread import Spread, by_targets
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task

# The smallest deviation to divide by, for a target that hardly varies.
LEAST = 1e-6


class Regression(Kind):
    """Labels are targets (rows, targets) float32 in the units of the data, and so are predictions."""

    name = "regression"
    problem = "regression"
    several = True
    named = False
    raw_as = "values"
    measures: ClassVar = {
        "qwk": Measure(kappa_of_numbers, "maximize", agreement=True),
        "rmse": Measure(rmse, "minimize"),
        "mcrmse": Measure(mcrmse, "minimize"),
        "mae": Measure(mae, "minimize"),
        "pearson": Measure(correlation("pearsonr"), "maximize", agreement=True),
        "spearman": Measure(correlation("spearmanr"), "maximize", agreement=True),
    }

    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """Fractions are numbers, and so are several columns, unless all their values mean yes or no."""
        values = {str(value).strip().lower() for column in columns for value in table[column] if not missing(value)}
        if len(columns) > 1:
            what = f"read as {len(columns)} columns of numbers; {arg('kind', 'classification')} takes one column"
            return None if answers(values) else what
        if not values or not all(is_number(value) for value in values):
            return None
        if all(float(value).is_integer() for value in values):
            return None
        return f"fractions are read as numbers; {arg('kind', 'classification')} takes them as classes"

    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """Numbers; NaN if there are no labels."""
        columns, found = data.label_column, {}
        for name, table in tables.items():
            if name in unlabelled:
                found[name] = self.blank(columns, [""] * table.rows)
            else:
                targets = [_targets(table, column, name, len(columns) > 1) for column in columns]
                found[name] = np.array(targets, dtype=np.float32).T.copy()
        for column, target in zip(columns, found["train"].T, strict=True):
            if np.ptp(target) == 0:
                what = f"every target in the train data is {target[0]:g}; there is nothing to learn"
                raise UserError(f"{label_columns([column])}: {what}")
        return Labels(columns, found)

    def spread(self, labels: Array, folds: int) -> Spread | None:
        """Bins of the targets."""
        return by_targets(labels, folds)

    def blank(self, names: tuple[str, ...], texts: Sequence[str]) -> Array:
        """NaN for each target."""
        return np.full((len(texts), len(names)), np.nan, np.float32)

    def scale(self, labels: Array) -> Scale:
        """Mean and standard deviation of the train targets."""
        return Scale(labels.mean(0), np.maximum(labels.std(0), LEAST))

    def targets(self, labels: Array, names: tuple[str, ...], scale: Scale | None, encoded: Any) -> Array:
        """Standardised targets (rows, targets)."""
        return labels if scale is None else (labels - scale.mean) / scale.std

    def predictions(self, logits: Sequence[Array], targets: Sequence[Array], scale: Scale | None) -> Array:
        """Predictions (rows, targets) in the units of the data."""
        output = np.stack(logits)
        if scale is not None and scale.log_odds:
            from scipy.special import expit  # a refused option need not wait for it

            return np.asarray(expit(output))
        return output if scale is None else output * scale.std + scale.mean

    def cells(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, list[Any]]:
        """Each target and its prediction."""
        found = dict[str, list[Any]]()
        for i, name in enumerate(names):
            found[name] = [f"{value:.6g}" for value in labels[:, i]]
            found[f"predicted {name}"] = [f"{value:.6g}" for value in output[:, i]]
        return found

    def answer(self, names: tuple[str, ...], output: Array) -> Answer:
        """The prediction of each target."""
        return Answer(None, {name: output[:, i] for i, name in enumerate(names)}, "predicted ")

    def plain(self, labels: Array, output: Array) -> tuple[Array, Array]:
        """Targets and predictions (rows, targets) in the units of the data; (rows,) if there is one target."""
        return (labels[:, 0], output[:, 0]) if labels.shape[1] == 1 else (labels, output)

    def guess(self, task: Task) -> Array:
        """The mean of each target over the train rows."""
        return np.tile(task.train.labels.mean(0, dtype=np.float64), (len(task.validation), 1))

    def details(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, float]:
        """The error of each target, such as "rmse valence", if there are several."""
        several = enumerate(names) if len(names) > 1 else ()
        return {f"rmse {name}": rmse(labels[:, i], output[:, i]) for i, name in several}

    def usual(self, names: tuple[str, ...]) -> str:
        """The root mean squared error, or its mean over several targets."""
        return "mcrmse" if len(names) > 1 else "rmse"

    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Mean, deviation and range of each target."""
        parts = [
            f"{name} {column.mean():.4g} +- {column.std():.3g} ({column.min():.4g} to {column.max():.4g})"
            for name, column in zip(names, np.asarray(train.labels, np.float64).T, strict=True)
        ]
        return [f"targets, mean +- sd (range): {', '.join(parts)}"]


def _targets(table: Table, column: str, split: str, several: bool) -> list[float]:
    refuse_several(table, label_columns([column]), column, split)
    found = []
    for row, value in enumerate(table[column]):
        read = number(value)
        if read is None:
            none = value is None or value != value
            what = "has no label" if none else f"is {value!r}, not a finite number below {LARGEST:g}"
            way = f"; for labels that are there or not, 1 or 0, give {arg('kind', 'multilabel')}" if several else ""
            raise UserError(f"{label_columns([column])}: row {row + 1} of the {split} data {what}{table.place(row)}{way}")
        found.append(read)
    return found


KIND = Regression()
