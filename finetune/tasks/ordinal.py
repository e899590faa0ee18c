"""Classes with an order, in three forms: cumulative logits, plain classes, or a number that is rounded."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from finetune.arguments import arg
from finetune.config import Data, KindName
from finetune.tasks.answer import Answer
from finetune.tasks.cells import label_columns
from finetune.tasks.classification import SHOWN, Classification, complete
from finetune.tasks.kind import Array, Kind, Labels, Measure, Scale, refuse_several
from finetune.tasks.label_scores import probabilities
from finetune.tasks.order import numerals, order_of
from finetune.tasks.scores import f1_of_classes, kappa
from finetune.tasks.spread import Spread, by_number
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task

# The smallest deviation to divide by.
LEAST = 1e-6
WHY = {
    "": "cumulative logits: is the label above this class? The order counts, no distance is assumed",
    "classes": "plain classes: the order counts in the metric alone",
    "number": "the number of the class in its order, rounded: neighbours are equally far apart",
}


class Ordinal(Classification):
    """Labels are class numbers (rows,) int64, lowest first; predictions are what the form's head gives."""

    name: ClassVar[KindName] = "ordinal"
    by_name = True
    agreement = "qwk"
    # Before the name of an output in tables of predictions.
    mark = ""
    options = ("label_order", "ordinal_as")
    implied = options

    def form(self, data: Data) -> str:
        """How the order is trained; cumulative logits are the usual form and have no name."""
        return "" if data.ordinal_as in (None, "cumulative") else str(data.ordinal_as)

    def of(self, task: Task) -> Kind:
        """The kind in the task's form."""
        return {"classes": CLASSES, "number": Numbers(len(task.names) - 1)}.get(task.form, KIND)

    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """Never: its labels look like classes or numbers."""
        return None

    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """Class numbers in the order of the classes; -1 if there are no labels."""
        column, notes = data.label_column[0], list[str]()
        labelled = {name: table for name, table in tables.items() if name not in unlabelled}
        for name, table in labelled.items():
            refuse_several(table, label_columns([column]), column, name)
        complete(labelled, column)
        numerals(labelled, column)
        names = order_of(labelled, column, data.label_order, notes)
        numbers = {label: number for number, label in enumerate(names)}
        found = {name: np.array([numbers[str(value)] for value in table[column]]) for name, table in labelled.items()}
        way = "" if data.ordinal_as else f"; {arg('ordinal_as')} takes classes or number"
        steps = " < ".join([*names[:3], "...", names[-1]] if len(names) > SHOWN else names)
        notes.append(f"{label_columns([column])}: {steps}, trained as {WHY[self.form(data)]}{way}")
        return Labels(
            names, found | {name: self.blank(names, [""] * tables[name].rows) for name in unlabelled}, tuple(notes)
        )

    def strata(self, labels: Array) -> Array:
        """Classes; one with a single row joins the nearest other, for a split needs two rows of each."""
        found, counts = labels.copy(), np.bincount(labels[labels >= 0])
        there = np.flatnonzero(counts)
        for rank in there[counts[there] == 1]:
            others = there[there != rank]
            if len(others):
                found[labels == rank] = found[labels == others[np.abs(others - rank).argmin()]][0]
        return found

    def spread(self, labels: Array, folds: int) -> Spread:
        """Classes."""
        return by_number(labels, "label")

    def ranks(self, output: Array) -> Array:
        """The predicted class numbers (rows,)."""
        raise NotImplementedError

    def ranked(self, ranks: Array, names: tuple[str, ...]) -> Array:
        """Outputs that predict these class numbers (rows,)."""
        raise NotImplementedError

    def scores(self) -> dict[str, Measure]:
        """The metrics, all of the predicted classes."""
        return {
            "qwk": Measure(lambda labels, output: kappa(labels, self.ranks(output)), "maximize", agreement=True),
            "accuracy": Measure(lambda labels, output: float((labels == self.ranks(output)).mean()), "maximize", share=True),
            "macro_f1": Measure(self.f1, "maximize"),
            "mae": Measure(lambda labels, output: float(np.abs(labels - self.ranks(output)).mean()), "minimize"),
        }

    def f1(self, labels: Array, output: Array) -> float:
        """The mean F1 of the classes that are labels or predicted."""
        return f1_of_classes(labels, self.ranks(output), "macro")

    def cells(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, list[Any]]:
        """The class, the predicted class, and a number for each output of the head."""
        found = {"label": [names[label] for label in labels], "predicted": [names[rank] for rank in self.ranks(output)]}
        columns = ([f"{value:.4g}" for value in column] for column in self.likely(output).T)
        return found | dict(zip((f"{self.mark}{name}" for name in self.outputs(names)), columns, strict=True))

    def answer(self, names: tuple[str, ...], output: Array) -> Answer:
        """The predicted class, and a number for each output of the head."""
        values = zip(self.outputs(names), self.likely(output).T, strict=True)
        return Answer([names[rank] for rank in self.ranks(output)], dict(values), self.mark)

    def likely(self, output: Array) -> Array:
        """Outputs as people read them."""
        return output

    def plain(self, labels: Array, output: Array) -> tuple[Array, Array]:
        """Class numbers (rows,) and predicted class numbers (rows,), lowest first, in every form."""
        return labels, self.ranks(output)

    def guess(self, task: Task) -> Array:
        """Every row gets the middle class of the train rows."""
        middle = np.sort(task.train.labels)[(len(task.train) - 1) // 2]
        return self.ranked(np.full(len(task.validation), middle), task.names)

    def guesses(self, task: Task) -> list[Array]:
        """The middle class, which is closest to all, and the most frequent one, which is right most often."""
        most = np.bincount(task.train.labels.astype(np.int64)).argmax()
        return [self.guess(task), self.ranked(np.full(len(task.validation), most), task.names)]

    def usual(self, names: tuple[str, ...]) -> str:
        """Quadratic weighted kappa."""
        return "qwk"

    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Classes with their rows, in their order."""
        return [line.replace("classes in train", "classes in order, in train") for line in super().describe(train, names)]


class Cumulative(Ordinal):
    """One output for each step between two classes: is the label above it? Predictions are logits (rows, classes - 1)."""

    problem = "multi_label_classification"
    raw_as = "sigmoid"
    mark = "p "

    def __init__(self) -> None:
        self.measures = self.scores()  # type: ignore[misc]

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The word "above" and each class but the last."""
        return tuple(f"above {name}" for name in names[:-1])

    def targets(self, labels: Array, names: tuple[str, ...], scale: Scale | None, encoded: Any) -> Array:
        """A 1 for each step that the label is above (rows, classes - 1)."""
        found: Array = (labels[:, None] > np.arange(len(names) - 1)).astype(np.float32)
        return found

    def ranks(self, output: Array) -> Array:
        """The number of outputs above 0."""
        found: Array = (output > 0).sum(1)
        return found

    def ranked(self, ranks: Array, names: tuple[str, ...]) -> Array:
        """One for each step below the class, minus one for the others."""
        found: Array = np.where(ranks[:, None] > np.arange(len(names) - 1), 1.0, -1.0)
        return found

    def likely(self, output: Array) -> Array:
        """Probabilities that the label is above each class."""
        return probabilities(output)

    def facts(self, names: tuple[str, ...], chosen: Array | None) -> tuple[dict[str, Any], str]:
        """The classes, and how to count."""
        how = (
            "The outputs of this model ask of each class but the last whether the label is above it. The predicted class is"
        )
        code = "`config.ordinal_classes[int((logits[i] > 0).sum())]`"
        return {"ordinal_classes": list(names)}, f"# Classes with an order\n\n{how}\n{code}.\n\n{' < '.join(names)}\n"


class Classes(Ordinal):
    """One output for each class. Predictions are logits (rows, classes)."""

    mark = "p "

    def __init__(self) -> None:
        self.measures = self.scores()  # type: ignore[misc]

    def ranks(self, output: Array) -> Array:
        """The classes with the highest logits."""
        found: Array = output.argmax(1)
        return found

    def likely(self, output: Array) -> Array:
        """The probability of each class."""
        from scipy.special import softmax

        found: Array = softmax(output.astype(np.float64), axis=-1)
        return found

    def ranked(self, ranks: Array, names: tuple[str, ...]) -> Array:
        """One for the class, 0 for the others."""
        found: Array = np.eye(len(names))[ranks]
        return found


class Numbers(Ordinal):
    """One output, the class number. Predictions (rows, 1) are fractions.

    Args:
        top: The number of the highest class.
    """

    problem = "regression"
    raw_as = "values"

    def __init__(self, top: int) -> None:
        self.top, self.measures = top, self.scores()  # type: ignore[misc]

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The only output."""
        return ("rank",)

    def scale(self, labels: Array) -> Scale:
        """Mean and standard deviation of the train rows' class numbers."""
        std = max(float(labels.std()), LEAST)
        return Scale(np.array([labels.mean()], np.float32), np.array([std], np.float32))

    def targets(self, labels: Array, names: tuple[str, ...], scale: Scale | None, encoded: Any) -> Array:
        """Standardised class numbers (rows, 1)."""
        found: Array = labels[:, None].astype(np.float32)
        return found if scale is None else (found - scale.mean) / scale.std

    def predictions(self, logits: Sequence[Array], targets: Sequence[Array], scale: Scale | None) -> Array:
        """Class numbers (rows, 1), not rounded."""
        output = np.stack(logits)
        found: Array = output if scale is None else output * scale.std + scale.mean
        return found

    def ranks(self, output: Array) -> Array:
        """The nearest class."""
        found: Array = np.clip(np.rint(output[:, 0]), 0, self.top).astype(np.int64)
        return found

    def ranked(self, ranks: Array, names: tuple[str, ...]) -> Array:
        """The class numbers themselves."""
        found: Array = ranks[:, None].astype(np.float64)
        return found

    def facts(self, names: tuple[str, ...], chosen: Array | None) -> tuple[dict[str, Any], str]:
        """The classes, and how to round."""
        how = "The output of this model is the number of the class in its order, from 0. The predicted class is"
        code = f"`config.ordinal_classes[int(logits[i, 0].round().clamp(0, {len(names) - 1}))]`"
        return {"ordinal_classes": list(names)}, f"# Classes with an order\n\n{how}\n{code}.\n\n{' < '.join(names)}\n"


CLASSES = Classes()
KIND = Cumulative()
