"""What is spread evenly over folds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Targets are spread by this many bins of as many rows each, or by fewer if a bin has fewer rows than there are folds.
BINS = 10


@dataclass(frozen=True)
class Spread:
    """What each fold gets its share of.

    Args:
        by: Its name in a line, such as "label".
        strata: A number for each row (rows,), or flags (rows, labels), any number of them in a row.
        grouped: The same as a number for each row (rows,), where rows are in groups; None if there is no such number.
    """

    by: str
    strata: Array
    grouped: Array | None


def by_number(strata: Array, by: str) -> Spread:
    """Rows with equal numbers are spread evenly."""
    return Spread(by, strata, strata)


def by_labels(flags: Array) -> Spread:
    """Every label is spread evenly; in groups, rows go by their rarest label."""
    return by_number(flags[:, 0], "label") if flags.shape[1] == 1 else Spread("labels", flags, rarest(flags))


def by_targets(targets: Array, folds: int) -> Spread | None:
    """Bins of each target (rows, targets) are spread evenly; None if no target can be divided into bins.

    Args:
        targets: Numbers.
        folds: How many folds there are; each bin has at least as many rows.
    """
    columns = [found for target in targets.T if (found := binned(target, folds)) is not None]
    if not columns:
        return None
    if targets.shape[1] == 1:
        return by_number(columns[0], f"{len(np.unique(columns[0]))} bins of the target")
    flags = np.concatenate([column[:, None] == np.unique(column) for column in columns], 1)
    return Spread("bins of each target", flags, None)


def binned(target: Array, folds: int) -> Array | None:
    """The bin of each number (rows,), from 0: at most ``BINS``, between quantiles; None if there is only one."""
    for count in range(BINS, 1, -1):
        edges = np.unique(np.quantile(target.astype(np.float64), np.linspace(0, 1, count + 1)[1:-1]))
        _, found, sizes = np.unique(np.searchsorted(edges, target, "left"), return_inverse=True, return_counts=True)
        if len(sizes) > 1 and sizes.min() >= folds:
            return found
    return None


def rarest(flags: Array) -> Array:
    """The number of each row's rarest label (rows,); -1 for rows without labels."""
    found = np.where(flags, flags.sum(0), len(flags) + 1).argmin(1)
    return np.where(flags.any(1), found, -1)
