"""Rows in groups that stay together: folds of whole groups, and whole groups put aside."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Into at most this many parts are groups divided where some of them are put aside: a share is then met within 1/20.
PARTS = 20
# Parts of so many groups drawn at random have nearly equal shares of every stratum; scikit-learn's search takes minutes.
MANY = 2000


def group_folds(strata: NDArray[Any] | None, groups: NDArray[Any], folds: int, seed: int) -> tuple[NDArray[np.int64], bool]:
    """The fold of each row (rows,), with every group in one fold; and whether strata are spread evenly over folds.

    Args:
        strata: A number for each row; None if there are none.
        groups: The group of each row.
        folds: At most as many as there are groups.
        seed: Of scikit-learn's ``StratifiedGroupKFold``.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if strata is not None and np.unique(strata, return_counts=True)[1].max() >= folds:
        stratified = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # about classes with fewer rows than folds
            found = numbered(stratified.split(strata, strata, groups), len(groups))
        if len(np.unique(found)) == folds:
            return found, True
    return numbered(GroupKFold(folds).split(groups, None, groups), len(groups)), False


def numbered(splits: Any, rows: int) -> NDArray[np.int64]:
    """The number of the split that validates each row.

    Args:
        splits: Pairs of train and validation indices, as the splitters of scikit-learn yield them.
        rows: How many rows there are.
    """
    found = np.full(rows, -1)
    for number, (_, validated) in enumerate(splits):
        found[validated] = number
    return found


def whole_groups(strata: NDArray[Any] | None, groups: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """The numbers of about ``count`` rows, in order, that are whole groups; some groups are always left.

    Args:
        strata: A number for each row; None if there are none.
        groups: The group of each row; at least two groups.
        count: How many rows are wanted.
        seed: Of the division into parts.
    """
    from sklearn.model_selection import GroupKFold

    known = len(np.unique(groups))
    parts = min(PARTS, known)
    if known > MANY:
        found = numbered(GroupKFold(parts, shuffle=True, random_state=seed).split(groups, None, groups), len(groups))
    else:
        found = group_folds(strata, groups, parts, seed)[0]
    sizes = np.bincount(found, minlength=parts)
    taken, total = list[int](), 0
    for part in range(parts):
        if total + sizes[part] <= count and len(taken) < parts - 1:
            taken, total = [*taken, part], total + int(sizes[part])
    # One more group, or the only one, where that comes nearer.
    left = [part for part in range(parts) if part not in taken]
    nearest = min(left, key=lambda part: abs(total + int(sizes[part]) - count))
    if not taken or (len(left) > 1 and abs(total + int(sizes[nearest]) - count) < count - total):
        taken.append(nearest)
    return np.flatnonzero(np.isin(found, taken))
