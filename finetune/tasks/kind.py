"""What a kind of task is: all that classes, numbers and other labels do differently, in one file a kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import Data, KindName
from finetune.errors import UserError
from finetune.tasks.cells import text
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task

Array = NDArray[Any]


@dataclass(frozen=True)
class Measure:
    """How predictions of one kind of task are scored.

    Args:
        score: A function of the labels and the predictions, as ``Kind.predictions`` gives them.
        direction: Which values are better.
        agreement: Whether it measures agreement beyond chance: a constant prediction has 0, whatever the formula gives.
    """

    score: Callable[[Array, Array], float]
    direction: Literal["maximize", "minimize"]
    agreement: bool = False


@dataclass(frozen=True)
class Labels:
    """What a kind reads from the label columns: names of classes or targets, and the labels of each split (rows, ...)."""

    names: tuple[str, ...]
    splits: dict[str, Array]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation (targets,) of the training labels: what a model is trained on is standardised by them."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]


class Kind(ABC):
    """A kind of task. One file of this folder is one kind; it ends with ``KIND``, its only instance.

    Everything else follows from the shape of the labels or from the outputs of the head.
    """

    name: ClassVar[KindName]
    measures: ClassVar[Mapping[str, Measure]]
    # transformers' problem_type, which chooses the loss, and the family of model classes.
    problem: ClassVar[str]
    architecture: ClassVar[str] = "SequenceClassification"
    # Whether labels may stand in several columns.
    several: ClassVar[bool]
    # Whether labels are names: two of one text contradict each other, and "3,5" is not a decimal number.
    named: ClassVar[bool]

    @abstractmethod
    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """What the labels look like, if they look like this kind's: a line to print, empty where nothing needs saying.

        Args:
            table: The training split.
            columns: The label columns.

        Returns:
            The line, without the columns; None where the labels are of another kind.
        """

    @abstractmethod
    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """The labels of all splits.

        Args:
            tables: The splits.
            data: The label columns.
            unlabelled: Splits without labels; they get a placeholder that no label has.

        Raises:
            UserError: A label is missing or does not fit; names the column, the row and the value.
        """

    def texts(self, table: Table, column: str, split: str) -> list[str]:
        """The texts of one column.

        Raises:
            UserError: A cell holds several values, or all are empty.
        """
        refuse_several(table, arg("text_column", column), column, split)
        found = [text(value) for value in table[column]]
        if not any(one.strip() for one in found):
            raise UserError(f"{arg('text_column', column)}: every text in the {split} data is empty")
        return found

    def strata(self, labels: Array) -> Array | None:
        """A number for each row: rows with equal ones are spread evenly over splits. None where there is none."""
        return None

    def outputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of what the model's head gives, one for each output."""
        return names

    def scale(self, labels: Array) -> Scale | None:
        """How training labels are standardised; None where they are not."""
        return None

    def targets(self, labels: Array, names: tuple[str, ...], scale: Scale | None, encoded: Any) -> Array:
        """The labels as the loss takes them: one for each row, or for each token of each row.

        Args:
            labels: As ``read`` gave them.
            names: Of classes or targets.
            scale: As ``scale`` gave it for the training split.
            encoded: The tokeniser's answer, padded.
        """
        return labels

    def predictions(self, logits: Sequence[Array], targets: Sequence[Array], scale: Scale | None) -> Array:
        """The model's answers as ``measures`` and people take them.

        Args:
            logits: One array for each row.
            targets: What ``targets`` gave for each row; of an unlabelled row only the shape says something.
            scale: In which the model answers; None where it answers in the labels' units.
        """
        return np.stack(logits)

    @abstractmethod
    def guess(self, task: Task) -> Array:
        """The best predictions for the validation rows that can be made without reading a text."""

    def details(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, float]:
        """Scores of parts, by name, beside those of the whole."""
        return {}

    @abstractmethod
    def usual(self, names: tuple[str, ...]) -> str:
        """The metric that is optimised where none is asked for."""

    @abstractmethod
    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Lines about the training labels; what distorts a result begins with "warning: "."""


def refuse_several(table: Table, where: str, column: str, split: str) -> None:
    """Refuse cells that hold several values.

    Raises:
        UserError: One does; names its row.
    """
    for row, value in enumerate(table[column]):
        if isinstance(value, list | dict | bytes):
            what = f"row {row + 1} of the {split} data is {str(value)[:40]}"
            raise UserError(f"{where}: {what}, not a single value{table.place(row)}")
