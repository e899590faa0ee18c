"""Out-of-fold predictions in a file: what the models of all folds and seeds predict for the rows that they did not see."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.errors import UserError
from finetune.training.snapshot import read_snapshot, write_snapshot

FORMAT = "advsearch out-of-fold predictions 1"
AGAIN = "delete it, and search or train again"


@dataclass(frozen=True)
class Oof:
    """Out-of-fold predictions of one trial, or of one call of ``train``.

    Args:
        raw: What can be averaged, as ``Bench.raw`` returns it, (seeds, rows, ...) in the order of the pool: logits (seeds,
            rows, classes), targets (seeds, rows, targets) in the units of the data, or logits of tags (seeds, sentences,
            words, tags), NaN after the last word.
        fold_of: The number of the fold that validates each row (rows,).
        value: The value that the trial was judged by.
        metric: The metric of that value.
        fingerprint: ``Task.fingerprint`` of the pool and its folds.

    Raises:
        ValueError: The shapes do not fit each other.

    Example:
        >>> oof = Oof(np.zeros((1, 4, 2), "float32"), np.array([0, 1, 0, 1]), 0.5, "accuracy", "0123456789abcdef")
        >>> oof.seeds, oof.rows, oof.folds
        (1, 4, 2)
    """

    raw: NDArray[Any]
    fold_of: NDArray[np.int64]
    value: float
    metric: str
    fingerprint: str

    def __post_init__(self) -> None:
        if self.raw.ndim < 3 or self.fold_of.shape != self.raw.shape[1:2] or not self.raw.size:
            raise ValueError(f"predictions {self.raw.shape} do not fit folds {self.fold_of.shape}")
        if self.raw.dtype.kind != "f" or self.fold_of.dtype.kind not in "iu" or self.fold_of.min() < 0:
            raise ValueError(f"predictions are {self.raw.dtype}, and folds {self.fold_of.dtype} from 0")

    @property
    def seeds(self) -> int:
        """How many seeds every fold was trained with."""
        return len(self.raw)

    @property
    def rows(self) -> int:
        """How many rows the pool has."""
        return len(self.fold_of)

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return len(np.unique(self.fold_of))

    def save(self, path: Path) -> None:
        """Write the file; it appears complete or not at all.

        Raises:
            OSError: It cannot be written, or the disk is full.
        """
        # np.array copies what cannot be written to, or lies backwards: torch takes neither.
        arrays = {"raw": np.array(self.raw), "fold_of": np.array(self.fold_of, np.int64)}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        value = self.value if math.isfinite(self.value) else str(self.value)
        facts = {"format": FORMAT, "value": value, "metric": self.metric, "fingerprint": self.fingerprint}
        write_snapshot(path, tensors, facts)

    @classmethod
    def load(cls, path: Path) -> "Oof":
        """Read what ``save`` wrote.

        Raises:
            UserError: There is no such file, or it is damaged or something else.
        """
        if not path.is_file():
            raise UserError(f"there are no out-of-fold predictions in {path}: the file does not exist")
        found = read_snapshot(path)
        if found is None:
            raise UserError(f"{path} is damaged, or no file of out-of-fold predictions: {AGAIN}")
        tensors, facts = found
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            what = facts.get("format") if isinstance(facts, dict) else None
            raise UserError(f"{path} holds no out-of-fold predictions of this version ({what or 'something else'}): {AGAIN}")
        try:
            raw, fold_of = tensors["raw"].numpy(), tensors["fold_of"].numpy()
            return cls(raw, fold_of, float(facts["value"]), str(facts["metric"]), str(facts["fingerprint"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}): {AGAIN}") from None
