"""How far the value of clean training would move with other validation rows."""

import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.tasks import measures_for
from finetune.tasks.metrics import viewed
from finetune.tasks.task import Task
from finetune.training.loop import Training
from finetune.training.series import Ended, Series, lenient, rows_of
from studies.running.whole import write_whole

OUTPUT = "clean-output.json"
# Draws of rows with replacement; and predictions of more numbers than this are not kept: so many rows err little.
DRAWS, MOST = 100, 200_000


def write_output(training: Training, metric: str, folder: Path) -> None:
    """Keep the predictions of finished clean training beside its epochs, if the error of the metric needs them.

    Raises:
        OSError: The file cannot be written.
    """
    view, plain = viewed(metric)
    if view or is_share(training.bench.task, plain):  # the predictions of another view are not known here
        return
    output = training.bench.settled(training.outputs())
    if output.size <= MOST:
        write_whole(folder / OUTPUT, json.dumps(np.round(output.astype(float), 6).tolist()))


def validation(task: Task, metric: str, clean: float, folder: Path) -> dict[str, Any]:
    """The number of validation rows, and the standard error of the metric by its name, as far as it is known.

    Args:
        task: The task.
        metric: A metric that is defined for it.
        clean: Its value for clean training.
        folder: Where the predictions of clean training are, if any.
    """
    rows, (view, plain) = len(task.validation), viewed(metric)
    if is_share(task, plain):
        return {"rows": rows, "error": {metric: math.sqrt(max(0.0, clean * (1 - clean)) / rows)}}
    try:
        output = np.array(json.loads((folder / OUTPUT).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {"rows": rows, "error": {}}
    error = bootstrapped(task, metric, output) if len(output) == rows and not view else math.nan
    return {"rows": rows, "error": {metric: error} if math.isfinite(error) else {}}


def is_share(task: Task, metric: str) -> bool:
    """Whether a metric is a share of rows, whose error follows from its value and the number of rows."""
    return measures_for(task)[metric].share


def bootstrapped(task: Task, metric: str, output: NDArray[Any]) -> float:
    """The standard deviation of a metric over draws of rows; nan if it is defined for fewer than two of them."""
    score, labels = measures_for(task)[metric].score, task.validation.labels
    rows = np.arange(len(output))
    return deviation(lambda picks: score(labels[picks[0]], output[picks[0]]), [rows])


def pooled_error(series: Series, ended: Sequence[Ended]) -> float:
    """The standard error of what several runs are worth together, over draws of rows; nan if it is not defined.

    Each draw takes rows with replacement, or whole groups where rows are in groups, the same for all seeds; where the runs
    are judged by the mean over folds, as many of each fold as it has. What is chosen on the rows, such as thresholds, stays
    as it is.

    Args:
        series: The runs.
        ended: All of them.
    """
    view, metric = viewed(series.metric)
    if view:  # the predictions of another view are not kept
        return math.nan
    task, score, raw = lenient(series.task), measures_for(lenient(series.task))[metric].score, series.raw(ended)
    labels, folds = task.validation.labels, [rows_of(task, fold) for fold in range(task.folds)]
    judged = [np.arange(len(labels))] if series.pooled else folds
    outputs = [[series.output(of_seed[rows], labels[rows]) for rows in judged] for of_seed in raw]
    place = np.empty(len(labels), np.int64)
    for rows in judged:
        place[rows] = np.arange(len(rows))

    def value(picks: Sequence[NDArray[np.int64]]) -> float:
        found = [score(labels[p], output[place[p]]) for parts in outputs for p, output in zip(picks, parts, strict=True)]
        return float(np.mean(found))

    return deviation(value, judged, task.groups)


def deviation(
    value: Callable[[Sequence[NDArray[np.int64]]], float],
    strata: Sequence[NDArray[np.int64]],
    groups: NDArray[np.int64] | None = None,
) -> float:
    """The standard deviation of a value over draws of rows; nan if it is defined for fewer than two of them.

    Args:
        value: Computes the value of the rows with these numbers, apart for each of the strata.
        strata: Numbers of rows; of each array as many are drawn as it has, with replacement.
        groups: The group of each row; as many whole groups are then drawn as there are.
    """
    rng, found = np.random.default_rng(0), list[float]()
    draws = [drawn(rng, rows, groups) for rows in strata]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a draw may lack a class, or be constant
        for each in zip(*draws, strict=True):
            try:
                found.append(value(each))
            except ValueError:
                continue
    finite = [value for value in found if math.isfinite(value)]
    return float(np.std(finite, ddof=1)) if len(finite) > 1 else math.nan


def drawn(
    rng: np.random.Generator, rows: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> Sequence[NDArray[np.int64]]:
    """Draws of these rows with replacement, or of their groups, all rows of each: rows of one group are not independent."""
    if groups is None:
        return list(rows[rng.integers(len(rows), size=(DRAWS, len(rows)))])
    _, inverse, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
    held = np.split(rows[np.argsort(inverse, kind="stable")], np.cumsum(sizes)[:-1])
    picks = rng.integers(len(held), size=(DRAWS, len(held)))
    return [np.concatenate([held[group] for group in pick]) for pick in picks]
