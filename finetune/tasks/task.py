"""A task: three splits of rows, as the data has them."""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finetune.config import KindName

if TYPE_CHECKING:
    from finetune.tasks.own_metric import Own


@dataclass(frozen=True)
class Rows:
    """Texts (n), second texts (n) or None, labels (n, ...) whose form depends on the kind of task.

    Labels are class numbers (n,) int64, or targets, or labels of 0 and 1, (n, targets) float32. Rows that are not
    ``labelled`` have a placeholder: they can be predicted but not scored.
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
    """Rows to train on, rows to search on, and rows to look at once, at the end.

    Args:
        name: For file and study names.
        kind: Name of the kind, such as "classification".
        names: Class names, or names of the targets.
        train: Rows to train on.
        validation: Rows that score the trials of the search.
        test: Rows that the search never sees; may be without labels.
        unlabelled: More texts of the same kind, for the built-in encoder's embeddings.
        notes: Lines about what was guessed, and how to change it.
        form: The form of the kind, if it has several: "cumulative", "tuned".
        own: The user's own metrics.
        fold_of: The number of the fold, from 0, that validates each row (rows,); ``train`` and ``validation`` are then the
            same rows, all that are not test rows. None without folds.
        groups: The number of each row's group (rows,), if rows in folds are in groups.
    """

    name: str
    kind: KindName
    names: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    unlabelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    form: str = ""
    own: "tuple[Own, ...]" = ()
    fold_of: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None

    @property
    def folds(self) -> int:
        """How many folds there are; 1 without folds."""
        return 1 if self.fold_of is None else int(self.fold_of.max()) + 1

    @property
    def parts(self) -> dict[str, Rows]:
        """The splits by name; with folds the validation rows are the train rows, and are left out."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in found.items() if self.fold_of is None or name != "validation"}

    def fold(self, number: int) -> "Task":
        """The task of one fold: it validates the rows of the fold and trains on all others.

        Args:
            number: Of the fold, from 0.
        """
        if self.fold_of is None:
            return self
        train, validation = (np.flatnonzero(self.fold_of != number), np.flatnonzero(self.fold_of == number))
        return replace(self, train=self.train.take(train), validation=self.train.take(validation), fold_of=None, groups=None)

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that can change a result."""
        form = (self.form,) if self.form else ()
        digest = hashlib.sha256(repr((self.kind, self.names, len(self.unlabelled), *form)).encode())
        for rows in (self.train, self.validation, self.test):
            digest.update(repr((rows.texts, rows.pairs)).encode())
            digest.update(np.ascontiguousarray(rows.labels).tobytes())
        if self.fold_of is not None:
            digest.update(np.ascontiguousarray(self.fold_of, np.int64).tobytes())
        return digest.hexdigest()[:16]
