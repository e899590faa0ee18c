"""What a kind of task is: everything that differs between classes, numbers and other labels; each kind is one file."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import Data, KindName
from finetune.errors import UserError
from finetune.tasks.answer import Answer
from finetune.tasks.cells import text
from finetune.tasks.spread import Spread, by_number
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task

Array = NDArray[Any]
RawAs: TypeAlias = Literal["softmax", "sigmoid", "values"]


@dataclass(frozen=True)
class Measure:
    """How predictions of one kind of task are scored.

    Args:
        score: A function of the labels and the predictions, as ``Kind.predictions`` returns them.
        direction: "maximize" or "minimize".
        agreement: Whether it measures agreement beyond chance: a constant prediction scores 0, whatever the formula gives.
        share: Whether it is the share of rows that are right, so that its error follows from its value.
    """

    score: Callable[[Array, Array], float]
    direction: Literal["maximize", "minimize"]
    agreement: bool = False
    share: bool = False


@dataclass(frozen=True)
class Labels:
    """What a kind reads from the label columns.

    Args:
        names: Names of classes, labels or targets.
        splits: Labels (rows, ...) of each split.
        notes: Lines about what was guessed or changed.
    """

    names: tuple[str, ...]
    splits: dict[str, Array]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """How the model's output becomes a target.

    Args:
        mean: Mean of the train labels (targets,), by which the targets are standardised for training.
        std: Their standard deviation (targets,).
        log_odds: Whether the output is the logarithm of the odds of a share, so that its sigmoid is the target.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    log_odds: bool = False

    def of_shares(self) -> "Scale":
        """The scale of as many targets that are shares from 0 to 1: they stay as they are, and the output is log-odds."""
        return Scale(np.zeros_like(self.mean), np.ones_like(self.std), log_odds=True)


class Kind(ABC):
    """A kind of task. Each kind is one file of this folder; it ends with ``KIND``, its only instance.

    Everything else follows from the shape of the labels or from the outputs of the head.
    """

    name: ClassVar[KindName]
    measures: ClassVar[Mapping[str, Measure]]
    # transformers' problem_type, which selects the loss, and the family of model classes.
    problem: ClassVar[str]
    architecture: ClassVar[str] = "SequenceClassification"
    # Whether there may be several label columns.
    several: ClassVar[bool]
    # Whether labels are names: two of one text contradict each other, and "3,5" is not a decimal number.
    named: ClassVar[bool]
    # Whether the words of a text, between blanks, have a label each. Long texts are then read in several windows.
    by_word: ClassVar[bool] = False
    # Whether it is only taken if the user names it: its labels look like those of another kind.
    by_name: ClassVar[bool] = False
    # Whether something is chosen on the validation rows and holds for all rows: thresholds.
    settles: ClassVar[bool] = False
    # What raw outputs are: logits of one class ("softmax") or of each label ("sigmoid"), or numbers ("values").
    raw_as: ClassVar[RawAs]
    # Options of the data that only this kind understands.
    options: ClassVar[tuple[str, ...]] = ()
    # Those of them that say that the labels are of this kind.
    implied: ClassVar[tuple[str, ...]] = ()

    def form(self, data: Data) -> str:
        """Which form of the kind the data asks for; empty if it has one form."""
        return ""

    def of(self, task: Task) -> "Kind":
        """The kind in the task's form."""
        return self

    @abstractmethod
    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """Whether the labels look like this kind's, and a line to print about it.

        Args:
            table: The train split.
            columns: The label columns.

        Returns:
            The line, without the columns; empty if nothing needs to be said; None if the labels are of another kind.
        """

    @abstractmethod
    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """The labels of all splits.

        Args:
            tables: The splits.
            data: The label columns.
            unlabelled: Splits without labels; they get a placeholder that is not a label.

        Raises:
            UserError: A label is missing or does not fit; the message names the column, the row and the value.
        """

    def blank(self, names: tuple[str, ...], texts: Sequence[str]) -> Array:
        """A placeholder for the labels of rows without labels."""
        return np.full(len(texts), -1)

    def texts(self, table: Table, column: str, split: str) -> list[str]:
        """The texts of one column.

        Raises:
            UserError: A cell has several values, or all cells are empty.
        """
        refuse_several(table, arg("text_column", column), column, split)
        found = [text(value) for value in table[column]]
        if not any(one.strip() for one in found):
            raise UserError(f"{arg('text_column', column)}: every text in the {split} data is empty")
        return found

    def strata(self, labels: Array) -> Array | None:
        """A number for each row: rows with equal numbers are spread evenly over splits. None if there are no strata."""
        return None

    def aside(self, labels: Array, count: int, seed: int) -> Array | None:
        """The numbers of ``count`` rows in which every label is as frequent as in the others; None to go by ``strata``."""
        return None

    def spread(self, labels: Array, folds: int) -> Spread | None:
        """What each of ``folds`` folds gets its share of; None if rows are spread at random."""
        strata = self.strata(labels)
        return None if strata is None else by_number(strata, "label")

    def tally(self, labels: Array, names: tuple[str, ...]) -> Array | None:
        """How many rows have each class, label or tag (names,); None where there is nothing to count."""
        return None

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the outputs of the model's head."""
        return names

    def scale(self, labels: Array) -> Scale | None:
        """How train labels are standardised; None if they are not."""
        return None

    def targets(self, labels: Array, names: tuple[str, ...], scale: Scale | None, encoded: Any) -> Array:
        """The labels as the loss takes them: one for each row, or for each token of each row.

        Args:
            labels: As ``read`` returned them.
            names: Names of classes or targets.
            scale: As ``scale`` returned it for the train split.
            encoded: The tokeniser's output, padded.
        """
        return labels

    def predictions(self, logits: Sequence[Array], targets: Sequence[Array], scale: Scale | None) -> Array:
        """The model's outputs in the form that ``measures`` and people need.

        Args:
            logits: One array for each row.
            targets: What ``targets`` returned for each row; for an unlabelled row only the shape has a meaning.
            scale: The scale of the model's output; None if it is in the labels' units.
        """
        return np.stack(logits)

    def decided(self, raw: Array) -> Array:
        """What ``predictions`` returns, from raw outputs, which can be averaged; most predictions are raw outputs."""
        return raw

    def plain(self, labels: Array, output: Array) -> tuple[Array, Array]:
        """Labels and predictions as a person expects them, for a metric of the user's own."""
        return labels, output

    def more(self, names: tuple[str, ...], output: Array) -> dict[str, Any]:
        """What such a metric may ask for besides, by the names of its parameters."""
        return {"names": names}

    def settle(self, labels: Array, output: Array) -> Array:
        """What is chosen from the predictions for the validation rows and holds for all rows; only asked if ``settles``."""
        raise NotImplementedError

    def settled(self, output: Array, chosen: Array) -> Array:
        """Predictions that carry what ``settle`` chose, so that they can be scored without the validation rows."""
        return output

    def facts(self, names: tuple[str, ...], chosen: Array | None) -> tuple[dict[str, Any], str]:
        """What users of a saved model must know beyond names: for its config.json, and as text for its README.md.

        Args:
            names: Names of classes, labels or targets.
            chosen: What ``settle`` chose, if it is asked.
        """
        return {}, ""

    def cells(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, list[Any]]:
        """Labels and predictions as people read them: columns with a cell for each row."""
        return {"label": labels.tolist(), "predicted": output.tolist()}

    def answer(self, names: tuple[str, ...], output: Array) -> Answer:
        """Predictions with all their digits, for users of a saved model."""
        return Answer(output.tolist(), {})

    @abstractmethod
    def guess(self, task: Task) -> Array:
        """The best predictions for the validation rows without reading a text."""

    def guesses(self, task: Task) -> list[Array]:
        """Such predictions, if the best ones depend on the metric."""
        return [self.guess(task)]

    def details(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, float]:
        """Further scores by name, of the task's parts."""
        return {}

    @abstractmethod
    def usual(self, names: tuple[str, ...]) -> str:
        """The metric that is optimised by default."""

    @abstractmethod
    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Lines about the train labels; lines about distortions begin with "warning: "."""

    def scored(self, rows: Rows, names: tuple[str, ...], split: str) -> list[str]:
        """Lines about labels of scored rows that a metric is not defined for."""
        return []


def refuse_several(table: Table, where: str, column: str, split: str) -> None:
    """Refuse cells that hold several values.

    Raises:
        UserError: A cell has several values; the message names its row.
    """
    for row, value in enumerate(table[column]):
        if isinstance(value, list | dict | bytes):
            what = f"row {row + 1} of the {split} data is {str(value)[:40]}"
            raise UserError(f"{where}: {what}, not a single value{table.place(row)}")
