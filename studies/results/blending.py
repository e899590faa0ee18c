"""Ensembles of out-of-fold predictions: their score, and a nested estimate that the selection did not see.

Of each fold, members and weights are selected on the rows of all other folds, and predict the rows of the fold; these
predictions together give the nested score. The best single trial is selected and scored in the same way, because choosing
the best of several is optimistic too.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.errors import Diverged
from finetune.tasks import kind_for, measures_for
from finetune.tasks.means import How, from_mean, to_mean
from finetune.tasks.task import Task
from finetune.training.oof import Oof
from studies.results.greedy import Picked, pick
from studies.running.split_error import drawn

Array = NDArray[Any]


@dataclass(frozen=True)
class Nested:
    """What a selection is worth on rows that it did not see.

    Args:
        single: The score of the trial that is best on the other folds.
        ensemble: The score of the ensemble that is selected on the other folds.
        error: The standard error of the difference of the two over rows, or over their groups; None if it is not known.
    """

    single: float
    ensemble: float
    error: float | None


class Pool:
    """Scores means of out-of-fold predictions, as trials of the study are scored.

    Args:
        task: The rows, with folds.
        metric: One of the task's metrics.
        maximize: Whether a higher value is better.
        folded: Whether the value is the mean of the folds' values, instead of the value of all rows together.

    Attributes:
        how: What is averaged.
    """

    how: How = "probabilities"

    def __init__(self, task: Task, metric: str, maximize: bool, folded: bool = False) -> None:
        assert task.fold_of is not None
        self.task, self.kind, self.maximize, self.folded = task, kind_for(task), maximize, folded
        self.measure, self.fold_of = measures_for(task)[metric].score, task.fold_of

    @property
    def rows(self) -> NDArray[np.int64]:
        """The numbers of all rows."""
        return np.arange(len(self.fold_of))

    def part(self, oof: Oof) -> Array:
        """What a trial says, on the scale on which it is averaged: the mean over its seeds.

        Raises:
            Diverged: It is not finite.
        """
        found = np.asarray(np.mean([to_mean(self.kind, raw, self.how) for raw in oof.raw], axis=0))
        if np.isinf(found).any():
            raise Diverged("out-of-fold predictions are not finite")
        return found

    def output(self, mean: Array, rows: Array) -> Array:
        """Predictions as they are scored, from a mean for these rows; what the kind chooses is chosen on them too."""
        output = self.raw(mean)
        return output if (chosen := self.chosen(mean, rows)) is None else self.kind.settled(output, chosen)

    def raw(self, mean: Array) -> Array:
        """Predictions before anything is chosen."""
        return self.kind.decided(from_mean(self.kind, mean, self.how))

    def chosen(self, mean: Array, rows: Array) -> Array | None:
        """What the kind chooses on these rows, such as thresholds; None if it chooses nothing."""
        return self.kind.settle(self.task.validation.labels[rows], self.raw(mean)) if self.kind.settles else None

    def judged(self, output: Array, rows: Array) -> float:
        """The value of predictions for these rows."""
        labels, output = self.task.validation.labels[rows], output.astype(np.float64)
        if not self.folded:
            return float(self.measure(labels, output))
        folds = self.fold_of[rows]
        inside = [folds == fold for fold in np.unique(folds)]
        return float(np.mean([self.measure(labels[where], output[where]) for where in inside]))

    def pick(self, parts: Sequence[Array], size: int, rows: Array | None = None) -> Picked:
        """Select an ensemble on these rows, or on all."""
        where = self.rows if rows is None else rows
        score = lambda mean: self.judged(self.output(mean, where), where)  # noqa: E731
        return pick([part[where] for part in parts], score, self.maximize, size)

    def nested(self, parts: Sequence[Array], size: int) -> Nested:
        """Select on all folds but one, and score on that one, for each fold."""
        found = list[tuple[Array, Array]]()
        for fold in np.unique(self.fold_of):
            inside, outside = (np.flatnonzero(where) for where in (self.fold_of != fold, self.fold_of == fold))
            picked = self.pick(parts, size, inside)
            single = np.eye(len(parts))[picked.best]
            found.append((outside, np.stack([self._held(parts, w, inside, outside) for w in (single, picked.weights)])))
        order = np.argsort(np.concatenate([rows for rows, _ in found]))
        one, many = np.concatenate([outputs for _, outputs in found], axis=1)[:, order]
        return Nested(self.judged(one, self.rows), self.judged(many, self.rows), self._error(one, many))

    def _held(self, parts: Sequence[Array], weights: Sequence[float], inside: Array, outside: Array) -> Array:
        """Predictions for held-out rows, with what the kind chooses on the others."""
        chosen = self.chosen(blend([part[inside] for part in parts], weights), inside)
        output = self.raw(blend([part[outside] for part in parts], weights))
        return output if chosen is None else self.kind.settled(output, chosen)

    def _error(self, one: Array, many: Array) -> float | None:
        """The standard deviation of the difference over draws of rows, or of groups of them."""
        found = list[float]()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a draw may lack a class, or be constant
            for draw in drawn(np.random.default_rng(0), self.rows, self.task.groups):
                try:
                    found.append(self.judged(many[draw], draw) - self.judged(one[draw], draw))
                except ValueError:
                    continue
        finite = [value for value in found if math.isfinite(value)]
        return float(np.std(finite, ddof=1)) if len(finite) > 1 else None


def blend(parts: Sequence[Array], weights: Sequence[float]) -> Array:
    """The weighted mean; a part without weight is not looked at."""
    return np.asarray(sum(weight * part for part, weight in zip(parts, weights, strict=True) if weight))


def alike(parts: Sequence[Array]) -> list[Array]:
    """The parts in one shape: of some, sentences have room for more words; what is added is NaN."""
    shape = np.max([part.shape for part in parts], axis=0)
    found = list[Array]()
    for part in parts:
        gaps = [(0, int(most - size)) for most, size in zip(shape, part.shape, strict=True)]
        found.append(np.pad(part, gaps, constant_values=np.nan) if np.any(gaps) else part)
    return found
