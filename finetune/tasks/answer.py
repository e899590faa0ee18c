"""Predictions as people read them, with all their digits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Before the names of columns of probabilities, and of ranks.
PROBABILITY, RANK = "p ", "rank "


@dataclass(frozen=True)
class Answer:
    """What is predicted for some rows.

    Args:
        predicted: The class of each row, a list of its labels, or a list of the tags of its words; None if there are only
            numbers.
        values: Numbers (rows,) by name: the probability of each class or label, or the value of each target.
        mark: What stands before a name in a table: "p " for probabilities.
    """

    predicted: list[Any] | None
    values: Mapping[str, NDArray[Any]]
    mark: str = PROBABILITY

    def columns(self) -> dict[str, list[Any]]:
        """Cells by column: "predicted", and one for each number.

        Example:
            >>> Answer(["good"], {"bad": np.array([0.25]), "good": np.array([0.75])}).columns()
            {'predicted': ['good'], 'p bad': [0.25], 'p good': [0.75]}
        """
        found = {} if self.predicted is None else {"predicted": self.predicted}
        return found | {f"{self.mark}{name}": numbers(values) for name, values in self.values.items()}


def numbers(values: NDArray[Any]) -> list[float]:
    """Numbers of Python with the fewest digits that give the same value back.

    Example:
        >>> numbers(np.array([0.1, 2.0], np.float32))
        [0.1, 2.0]
    """
    return [float(str(value)) for value in values] if values.dtype == np.float32 else values.tolist()
