"""Rows with the same text: they tell a model the labels of rows that it should not know."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import Data
from finetune.folds import Folds
from finetune.tasks.task import Rows
from finetune.words import counted, share

# A share of known texts moves the score by up to the same share: at 2 %, by more than methods differ.
KNOWN = 0.02
# Where this share of the texts of pairs also stand in pairs of other folds, scores on pairs of new texts will be lower.
SHARED = 0.2


def plain_text(text: str) -> str:
    """A text without differences that do not matter: case and blanks."""
    return " ".join(text.casefold().split())


def keys_of(rows: Rows) -> list[tuple[str, str]]:
    """What is compared: equal keys are the same text, or the same pair of texts."""
    pairs: Sequence[str] = rows.pairs or [""] * len(rows)
    return [(plain_text(one), plain_text(other)) for one, other in zip(rows.texts, pairs, strict=True)]


def torn(keys: Sequence[Any], fold_of: NDArray[Any]) -> int:
    """How many rows have a key that also occurs in another fold."""
    where: dict[Any, set[int]] = defaultdict(set)
    for key, fold in zip(keys, fold_of.tolist(), strict=True):
        where[key].add(fold)
    return sum(len(where[key]) > 1 for key in keys)


def in_folds(rows: Rows, fold_of: NDArray[Any], data: Data, folds: Folds) -> list[str]:
    """Lines about texts that stand in several folds: there the score is too good."""
    keys, lines = keys_of(rows), list[str]()
    free = folds.fold_column is None and folds.group_column is None
    if same := torn(keys, fold_of):
        what = "text" if rows.pairs is None else "pair"
        also = "is also in another fold" if same == 1 else "are also in other folds"
        line = f"{same} of {counted(len(rows), what)} ({share(same, len(rows))}) {also}"
        keep = f"{arg('group_column', data.text_column)} keeps equal texts together" if free else "leave all but one out"
        lines.append(
            f"warning: {line}: the score will be too good; {keep}" if same > KNOWN * len(rows) else f"{line}; {keep}"
        )
    if rows.pairs is None or not free:
        return lines
    counts = {
        data.text_column: torn([key[0] for key in keys], fold_of),
        data.pair_column: torn([k[1] for k in keys], fold_of),
    }
    column, most = max(counts.items(), key=lambda pair: pair[1])
    if most > SHARED * len(rows):
        what = f"{share(most, len(rows))} of the pairs share their {column} with pairs of other folds"
        lines.append(f"{what}; if it is new in new data, {arg('group_column', column)} gives the score for that")
    return lines
