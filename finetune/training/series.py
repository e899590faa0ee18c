"""Several runs that are judged together: one on each fold, with each seed."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adv import Method
from finetune.config import Recipe
from finetune.folds import Folds
from finetune.tasks import kind_for
from finetune.tasks.lenient import Lenient
from finetune.tasks.metrics import evaluate, viewed
from finetune.tasks.task import Task
from finetune.training.bench import scoring
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch, metrics_of, read, stored
from finetune.training.loop import Training, mark_of
from finetune.training.snapshot import read_snapshot, write_snapshot

Array = NDArray[np.float32]
# Counts of a run's attack; everything else that it says about itself is a mean.
COUNTS = ("nonfinite", "attacked")
SEEDS = 2**32


@dataclass(frozen=True)
class Part:
    """One run of a series.

    Args:
        number: Its number, from 0: first all folds with the first seed, then with the next.
        fold: The fold that it is scored on, from 0.
        seed: The number of its seed, from 0.
    """

    number: int
    fold: int
    seed: int


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Args:
        part: Which run.
        history: Its evaluations.
        raw: What the model says about the rows of its fold, as ``Bench.raw`` returns it.
        test: What it says about the test rows; None if it was not asked.
    """

    part: Part
    history: list[Epoch]
    raw: Array
    test: Array | None = None

    def save(self, path: Path, mark: str | None = None) -> None:
        """Write the run to a file that appears complete or not at all.

        Args:
            path: The file.
            mark: What tells it from other runs.

        Raises:
            OSError: It cannot be written.
        """
        arrays = {"raw": self.raw} | ({} if self.test is None else {"test": self.test})
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        facts = {"history": [stored(epoch) for epoch in self.history]}
        write_snapshot(path, tensors, facts if mark is None else facts | {"run": mark})

    @classmethod
    def load(cls, path: Path, part: Part, mark: str | None = None) -> "Ended | None":
        """The run that was saved; None if there is no complete file, or one with another mark than the given one."""
        found = read_snapshot(path)
        if found is None or "raw" not in found[0] or (mark is not None and found[1].get("run", mark) != mark):
            return None
        arrays, history = {name: tensor.numpy() for name, tensor in found[0].items()}, found[1]["history"]
        return cls(part, [read(epoch) for epoch in history], arrays["raw"], arrays.get("test"))


class Series:
    """The runs of one setting, and what they are worth together.

    Args:
        benches: Data and models, of the pool and of each fold.
        folds: How many seeds there are, and how runs are judged together.
        recipe: How to train; a run's seed follows from that of the recipe.
        metric: The metric by which evaluations are chosen, if ``recipe.score`` chooses.

    Example:
        >>> from adv import FGM
        >>> from finetune.tasks.task import Rows, Task
        >>> rows = Rows(["a fine film", "a dull film"] * 8, None, np.array([1, 0] * 8))
        >>> task = Task("films", "classification", ("bad", "good"), rows, rows, rows)
        >>> recipe, folds = Recipe(epochs=1), Folds(seeds=2)
        >>> series, ended = Series(Benches(task, recipe), folds, recipe, "accuracy"), []
        >>> for part in series.parts:
        ...     training = series.training(part, FGM(epsilon=0.5))
        ...     done = list(training.epochs())
        ...     ended.append(series.ended(part, training))
        >>> [run.part.seed for run in ended], series.raw(ended).shape
        ([0, 1], (2, 16, 2))
        >>> len(series.combined(ended)), "accuracy" in metrics_of(series.combined(ended))
        (1, True)
    """

    def __init__(self, benches: Benches, folds: Folds, recipe: Recipe, metric: str) -> None:
        self.benches, self.folds, self.recipe, self.metric = benches, folds, recipe, metric
        self.task = benches.whole.task
        self.kind = kind_for(self.task)
        numbers = [(fold, seed) for seed in range(folds.seeds) for fold in range(self.task.folds)]
        self.parts = [Part(number, fold, seed) for number, (fold, seed) in enumerate(numbers)]

    @property
    def pooled(self) -> bool:
        """Whether runs are judged by the predictions for all rows together, not by a mean over folds."""
        return self.task.folds > 1 and self.folds.fold_score == "pooled"

    def like(self, recipe: Recipe) -> "Series":
        """The same runs with another recipe."""
        return Series(self.benches, self.folds, recipe, self.metric)

    def recipe_of(self, part: Part) -> Recipe:
        """The recipe of a run, with its seed."""
        return self.recipe.model_copy(update={"seed": (self.recipe.seed + part.seed) % SEEDS})

    def mark(self, part: Part, method: Method) -> str:
        """What tells a run with this method from others: another study of the same name may have left its files."""
        return mark_of(method, self.recipe_of(part), (self.task.fingerprint, part.fold), self.metric)

    def training(self, part: Part, method: Method) -> Training:
        """A run, not yet begun.

        Args:
            part: Which run.
            method: The method; a new one for each run.

        Raises:
            UserError: An epoch of this fold has fewer steps than evaluations.
        """
        bench = self.benches.fold(part.fold)
        if self.pooled and self.recipe.score == "last" and bench.task.own:
            # Their metric of a fold is drawn, but decides nothing: one class in a fold must not end the trial.
            bench = copy.copy(bench)
            bench.task = lenient(bench.task)
        return Training(bench, self.recipe_of(part), method, self.metric)

    def ended(self, part: Part, training: Training, test: bool = False) -> Ended:
        """What is kept of a finished run.

        Args:
            part: Which run.
            training: It, finished.
            test: Whether its model is also asked about the test rows; their labels are not read.
        """
        bench, how = training.bench, scoring(training.recipe)
        # Only where words have labels is what a model says less than what can be averaged.
        raw = training.outputs() if bench.validation.places is None else None
        with training.scored():
            raw = bench.raw(training.model, bench.validation, *how) if raw is None else raw
            further = bench.raw(training.model, bench.encode(bench.task.test), *how) if test else None
        return Ended(part, list(training.history), raw, further)

    def combined(self, ended: Sequence[Ended]) -> list[Epoch]:
        """The evaluations of all these runs as those of one run; the last has what they are judged by together.

        Metrics, losses and what the attack did are means over the runs, seconds and counts are sums. They are judged by the
        metric of the pooled predictions of each seed, then the mean over the seeds; or by the mean over all runs. Metrics in
        other views are always means. Of a seed with a part of its folds, that part counts. Evaluations that any run has
        chosen count as chosen.

        Args:
            ended: Some or all of the runs.
        """
        if not ended:
            return []
        histories = [run.history for run in ended]
        found = [together([h[number] for h in histories if number < len(h)]) for number in range(max(map(len, histories)))]
        judged = mean_of([metrics_of(history) for history in histories])
        if self.pooled:
            judged = {name: value for name, value in judged.items() if viewed(name)[0]} | self._pooled(ended)
        chosen = {number for history in histories for number in history[-1].chosen or ()}
        found[-1] = replace(found[-1], scored=judged, chosen=tuple(sorted(chosen)) or None)
        return found

    def _pooled(self, ended: Sequence[Ended]) -> dict[str, float]:
        seeds = sorted({run.part.seed for run in ended})
        of_seeds = [[run for run in ended if run.part.seed == seed] for seed in seeds]
        values = [self._judged(runs) for runs in of_seeds]
        weights = [len(runs) for runs in of_seeds]
        return {name: average([value[name] for value in values], weights) for name in values[0]}

    def _judged(self, runs: Sequence[Ended]) -> dict[str, float]:
        (rows, raw), whole = self._rows(runs), len(runs) == self.task.folds
        labels = self.task.validation.labels[rows]
        return evaluate(self.task if whole else lenient(self.task), labels, self.output(raw, labels))

    def output(self, raw: Array, labels: NDArray[np.generic]) -> Array:
        """Predictions as they are scored, with what the kind chooses on these rows.

        Args:
            raw: What can be averaged (rows, ...).
            labels: The labels of these rows.
        """
        output = self.kind.decided(raw)
        return self.kind.settled(output, self.kind.settle(labels, output)) if self.kind.settles else output

    def _rows(self, runs: Sequence[Ended]) -> tuple[NDArray[np.int64], Array]:
        """The rows that runs of one seed were scored on, in the order of the pool, and what the models say about them."""
        rows = np.concatenate([rows_of(self.task, run.part.fold) for run in runs])
        order = np.argsort(rows, kind="stable")
        return rows[order], stacked([run.raw for run in runs])[order]

    def raw(self, ended: Sequence[Ended]) -> Array:
        """What the models of all runs say about the rows (seeds, rows, ...), in the order of the pool."""
        seeds = sorted({run.part.seed for run in ended})
        found = [self._rows([run for run in ended if run.part.seed == seed])[1] for seed in seeds]
        return stacked([one[None] for one in found])


def lenient(task: Task) -> Task:
    """The task with metrics of the user's own that are nan where they are not defined."""
    return replace(task, own=tuple(map(Lenient.of, task.own)))


def rows_of(task: Task, fold: int) -> NDArray[np.int64]:
    """The numbers of the rows that a fold validates; without folds, of all validation rows."""
    if task.fold_of is None:
        return np.arange(len(task.validation))
    return np.flatnonzero(task.fold_of == fold)


def smallest(task: Task) -> int:
    """The fold with the fewest train rows; 0 without folds."""
    return 0 if task.fold_of is None else int(np.bincount(task.fold_of).argmax())


def stacked(arrays: Sequence[Array]) -> Array:
    """Arrays one after the other; the further axes are filled up with NaN, for some rows have more words than others."""
    if len(arrays) == 1:
        return arrays[0]
    shape = np.max([array.shape[1:] for array in arrays], axis=0, initial=0).astype(int)
    gaps = [
        [(0, 0), *((0, int(most - size)) for most, size in zip(shape, array.shape[1:], strict=True))] for array in arrays
    ]
    filled = [np.pad(array, gap, constant_values=np.nan) for array, gap in zip(arrays, gaps, strict=True)]
    return np.concatenate(filled)


def together(epochs: Sequence[Epoch]) -> Epoch:
    """The same evaluation of several runs as one."""
    losses = [epoch.loss for epoch in epochs if epoch.loss is not None]
    told = [epoch.diagnostics for epoch in epochs if epoch.diagnostics]
    did = mean_of(told) | {name: sum(each.get(name, 0.0) for each in told) for name in COUNTS if told and name in told[0]}
    loss = float(np.mean(losses)) if losses else None
    return Epoch(epochs[0].number, mean_of([e.metrics for e in epochs]), did, loss, sum(e.seconds for e in epochs))


def mean_of(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over the tables in which it is defined; without numbers that are defined in none."""
    names = dict.fromkeys(name for table in tables for name in table)
    known = {name: [t[name] for t in tables if name in t and not np.isnan(t[name])] for name in names}
    return {name: average(values) for name, values in known.items() if values}


def average(values: Sequence[float], weights: Sequence[int] | None = None) -> float:
    """The weighted mean; of one value, or of equal ones, that value to the bit."""
    return values[0] if len(set(values)) == 1 else float(np.average(values, weights=weights))
