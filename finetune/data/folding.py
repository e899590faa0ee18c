"""Which fold validates each row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import KindName
from finetune.data.grouped import group_folds, numbered
from finetune.data.marks import Marks
from finetune.data.parts import SPLIT_SEED
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks import KINDS
from finetune.tasks.task import Rows
from finetune.words import counted, share, some

# So many names are listed.
SHOWN = 8
# A fold that is so many times as large as another is told.
UNEVEN = 3
Numbers = NDArray[np.int64]


def fold_numbers(rows: Rows, kind: KindName, names: tuple[str, ...], folds: Folds, marks: Marks, told: list[str]) -> Numbers:
    """The number of the fold that validates each row (rows,).

    Args:
        rows: All rows that are not test rows.
        kind: The kind of task; it says what is spread evenly.
        names: Names of classes, labels or tags.
        folds: How the rows are divided.
        marks: Groups and folds of the user's.
        told: Lines to print; lines are added.

    Raises:
        UserError: There are fewer rows or groups than folds.
    """
    if marks.folds is not None:
        refuse_lost(folds, marks)
        found, how = marks.folds, f"by column {folds.fold_column} ({some(marks.fold_names, SHOWN)})"
    else:
        assert folds.folds is not None
        refuse_many(len(rows), folds, marks)
        found, how = divided(rows, kind, folds.folds, marks)
    sizes = np.bincount(found)
    told.append(f"{len(sizes)} folds, {how}: {sized(sizes)}")
    if marks.groups is not None:
        told.append(of_groups(folds, marks, found))
    if sizes.max() > UNEVEN * sizes.min():
        way = f"; groups are few or large, and fewer {arg('folds')} are more even" if marks.folds is None else ""
        told.append(f"warning: the smallest fold validates {sizes.min()} rows, the largest {sizes.max()}{way}")
    told += lacking(rows, kind, names, found)
    return found


def refuse_lost(folds: Folds, marks: Marks) -> None:
    """Refuse folds of the user's that have no rows left.

    Raises:
        UserError: A fold is empty.
    """
    assert marks.folds is not None
    sizes = np.bincount(marks.folds, minlength=len(marks.fold_names))
    if not sizes.all():
        lost = some([repr(marks.fold_names[number]) for number in np.flatnonzero(sizes == 0).tolist()], SHOWN)
        what = f"no rows are left in fold {lost}, after rows were put aside or left out"
        raise UserError(f"{arg('fold_column', folds.fold_column)}: {what}; {arg('test_file')} takes test rows of your own")


def refuse_many(rows: int, folds: Folds, marks: Marks) -> None:
    """Refuse more folds than there are rows or groups.

    Raises:
        UserError: A fold would be empty.
    """
    where, many = arg("folds", folds.folds), folds.folds or 0
    if many > rows:
        raise UserError(f"{where}: there are only {counted(rows, 'row')} to divide")
    if marks.groups is not None and many > (groups := len(np.unique(marks.groups))):
        of = arg("group_column", folds.group_column)
        raise UserError(
            f"{where}: {of} has {counted(groups, 'group')} in these {rows} rows, and each fold needs one of its own"
        )


def divided(rows: Rows, kind: KindName, folds: int, marks: Marks) -> tuple[Numbers, str]:
    """The fold of each row, by scikit-learn's splitters or iterative stratification, and how that was done."""
    from sklearn.model_selection import KFold, StratifiedKFold

    spread = KINDS[kind].spread(rows.labels, folds)
    if marks.groups is not None:
        found, even = group_folds(None if spread is None else spread.grouped, marks.groups, folds, SPLIT_SEED)
        return found, f"in whole groups, stratified by {spread.by}" if even and spread else "in whole groups, not stratified"
    why = "the target cannot be divided into bins"
    if spread is not None:
        if spread.strata.ndim == 2:
            from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

            several = MultilabelStratifiedKFold(folds, shuffle=True, random_state=SPLIT_SEED)
            found = numbered(several.split(spread.strata, spread.strata), len(rows))
            if len(np.unique(found)) == folds:
                return found, f"stratified by {spread.by}"
            why = f"by {spread.by} a fold would be empty"
        elif np.unique(spread.strata, return_counts=True)[1].max() >= folds:
            import warnings

            with warnings.catch_warnings(action="ignore", category=UserWarning):  # about rare classes: our line says which
                one = StratifiedKFold(folds, shuffle=True, random_state=SPLIT_SEED)
                return numbered(one.split(spread.strata, spread.strata), len(rows)), f"stratified by {spread.by}"
        else:
            why = f"no {spread.by} has as many rows as there are folds"
    plain = KFold(folds, shuffle=True, random_state=SPLIT_SEED)
    return numbered(plain.split(rows.labels), len(rows)), f"at random ({why})"


def sized(sizes: NDArray[Any]) -> str:
    """How many rows each fold trains on and validates."""
    least, most, total = int(sizes.min()), int(sizes.max()), int(sizes.sum())
    if least == most:
        return f"{total - least} train and {counted(least, 'validation row')} each"
    return f"{total - most} to {total - least} train and {least} to {most} validation rows"


def of_groups(folds: Folds, marks: Marks, found: Numbers) -> str:
    """A line about the groups; a warning where the user's folds tear them apart."""
    assert marks.groups is not None
    values, sizes = np.unique(marks.groups, return_counts=True)
    biggest = share(sizes.max(), len(found))
    line = f"column {folds.group_column}: {counted(len(values), 'group')}, the biggest has {biggest} of the rows"
    torn = 0
    if marks.folds is not None:
        both = np.unique(np.stack([marks.groups, found], 1), axis=0)[:, 0]  # each group once for each of its folds
        torn = int((np.unique(both, return_counts=True)[1] > 1).sum())
    if torn:
        have = "has" if torn == 1 else "have"
        return f"warning: {line}; {torn} of them {have} rows in several folds of column {folds.fold_column}"
    return f"{line}; no group is in two folds"


def lacking(rows: Rows, kind: KindName, names: Sequence[str], found: Numbers) -> list[str]:
    """Lines about classes that a fold does not train on, or does not validate."""
    whole, folds = KINDS[kind].tally(rows.labels, tuple(names)), range(int(found.max()) + 1)
    if whole is None:
        return []
    held = np.array([KINDS[kind].tally(rows.labels[found == fold], tuple(names)) for fold in folds])
    untrained = np.argwhere((held == whole) & (whole > 0)).tolist()
    lines = []
    for fold, name in untrained[:SHOWN]:
        which = "its only row is" if whole[name] == 1 else f"all its {whole[name]} rows are"
        lines.append(f"warning: fold {fold} trains without {names[name]!r}: {which} validated there")
    if more := len(untrained) - len(lines):
        lines.append(f"warning: the same holds for {counted(more, 'further class', 'further classes')}")
    few = [
        f"{names[name]!r} ({counted(int(whole[name]), 'row')})"
        for name in np.flatnonzero((whole < len(held)) & (whole > 0)).tolist()
    ]
    if few:
        lines.append(f"classes with fewer rows than folds, which some folds do not validate: {some(few, SHOWN)}")
    return lines
