"""Parts of the rows: those put aside for a split that the data does not have, and those that are trained on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import KindName
from finetune.data.grouped import whole_groups
from finetune.tasks import KINDS
from finetune.tasks.task import Rows
from finetune.words import counted, listed

# The split belongs to the data, not to a run: it is the same for every seed.
SPLIT_SEED = 0
# The share put aside for a split that the data does not have.
ASIDE = 0.15
Index = NDArray[np.int64]


def put_aside(
    parts: dict[str, Rows],
    kind: KindName,
    told: list[str],
    groups: NDArray[Any] | None = None,
    names: tuple[str, ...] = ("test", "validation"),
) -> Index:
    """Cut the splits that the data does not have from the train rows, and say so: changes ``parts``.

    Args:
        parts: The splits that the data has.
        kind: The kind of task.
        told: Lines to print; a line is added.
        groups: The group of each train row, if rows of one group stay together.
        names: The splits that must be there.

    Returns:
        The numbers of the rows that are left to train on.
    """
    whole, left = parts["train"], np.arange(len(parts["train"]))
    aside, cut = max(2, round(len(whole) * ASIDE)), []
    for name in names:
        if name not in parts:
            held = None if groups is None else groups[left]
            rest, out = picked(whole.take(left), kind, aside, held)
            parts[name] = whole.take(left[out])
            left = left[rest]
            cut.append(name)
    if cut:
        parts["train"] = whole.take(left)
        takes = "takes" if len(cut) == 1 else "take"
        sizes = [len(parts[name]) for name in reversed(cut)]
        more = f" and {'as many' if sizes[-1] == sizes[0] else sizes[-1]} for ".join(reversed(cut))
        what = f"{sizes[0]} of the {len(whole)} train rows are put aside for {more}"
        how = "" if groups is None else f", whole groups of {counted(len(np.unique(groups)), 'group')}"
        told.append(f"{what}{how}; {listed([arg(f'{name}_file') for name in reversed(cut)])} {takes} your own")
    return left


def split(rows: Rows, kind: KindName, aside: int) -> tuple[Rows, Rows]:
    """Put ``aside`` rows aside, evenly by stratum if every stratum has two rows; returns (rest, aside)."""
    rest, out = picked(rows, kind, aside)
    return rows.take(rest), rows.take(out)


def picked(rows: Rows, kind: KindName, aside: int, groups: NDArray[Any] | None = None) -> tuple[Index, Index]:
    """The numbers of the other rows, and of those put aside, both in order.

    Args:
        rows: The rows.
        kind: The kind of task; it says what is spread evenly.
        aside: How many rows are put aside; with groups about as many.
        groups: The group of each row, if rows of one group stay together.
    """
    from sklearn.model_selection import train_test_split  # takes a second to import; a refusal need not wait

    if groups is not None:
        spread = KINDS[kind].spread(rows.labels, 2)
        out = whole_groups(None if spread is None else spread.grouped, groups, aside, SPLIT_SEED)
        return np.setdiff1d(np.arange(len(rows)), out), out
    chosen = KINDS[kind].aside(rows.labels, aside, SPLIT_SEED)
    if chosen is not None:
        return np.setdiff1d(np.arange(len(rows)), chosen), chosen
    strata = KINDS[kind].strata(rows.labels)
    if strata is not None:
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() < 2 or min(aside, len(rows) - aside) < len(counts):
            strata = None
    rest, out = train_test_split(np.arange(len(rows)), test_size=aside, random_state=SPLIT_SEED, stratify=strata)
    return np.sort(rest), np.sort(out)


def subset(rows: Rows, kind: KindName, count: int | None) -> Rows:
    """``count`` of the rows, stratified if possible, the same rows every time; all rows if there is no count."""
    return rows.take(chosen(rows, kind, count))


def chosen(rows: Rows, kind: KindName, count: int | None, groups: NDArray[Any] | None = None) -> Index:
    """The numbers of these rows, in order; with groups about as many rows, of whole groups."""
    return np.arange(len(rows)) if count is None or count >= len(rows) else picked(rows, kind, count, groups)[1]
