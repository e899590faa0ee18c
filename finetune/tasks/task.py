"""A task: three splits of rows, in the words of the data."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.config import Kind

# The split belongs to the data, not to a run: it is the same for every seed.
SPLIT_SEED = 0


@dataclass(frozen=True)
class Rows:
    """Texts (n), second texts (n) or None, labels: class numbers (n,) int64, or targets (n, targets) float32.

    Rows that are not ``labelled`` hold -1, or not a number, in place of labels: they can be predicted, not scored.
    """

    texts: list[str]
    pairs: list[str] | None
    labels: NDArray[np.generic]
    labelled: bool = True

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: NDArray[np.int64]) -> "Rows":
        """The rows at ``index``."""
        pairs = None if self.pairs is None else [self.pairs[i] for i in index]
        return Rows([self.texts[i] for i in index], pairs, self.labels[index], self.labelled)


@dataclass(frozen=True)
class Task:
    """Rows to train, to search on, and to look at once, in the end.

    Args:
        name: For file and study names.
        kind: "classification" or "regression".
        names: Class names, or names of the targets.
        train: What is trained on.
        validation: What the search sees.
        test: What it does not; may be without labels.
        unlabelled: More texts of the same kind, for the built-in encoder's embeddings.
        notes: What was guessed on the way here, and how to say otherwise, a line each.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    unlabelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """16 hex digits of everything that can change a result."""
        digest = hashlib.sha256(repr((self.kind, self.names, len(self.unlabelled))).encode())
        for rows in (self.train, self.validation, self.test):
            digest.update(repr((rows.texts, rows.pairs)).encode())
            digest.update(np.ascontiguousarray(rows.labels).tobytes())
        return digest.hexdigest()[:16]


def split(rows: Rows, kind: Kind, aside: int) -> tuple[Rows, Rows]:
    """Put ``aside`` rows aside, stratified by class where every class has two; (rest, aside)."""
    from sklearn.model_selection import train_test_split  # a second of imports that a refusal need not wait for

    strata = None
    if kind == "classification":
        counts = np.unique(rows.labels, return_counts=True)[1]
        if counts.min() >= 2 and min(aside, len(rows) - aside) >= len(counts):
            strata = rows.labels
    rest, out = train_test_split(np.arange(len(rows)), test_size=aside, random_state=SPLIT_SEED, stratify=strata)
    return rows.take(np.sort(rest)), rows.take(np.sort(out))


def subset(rows: Rows, kind: Kind, count: int | None) -> Rows:
    """``count`` of the rows, stratified where possible, the same ones every time; all of them without a count."""
    return rows if count is None or count >= len(rows) else split(rows, kind, count)[1]
