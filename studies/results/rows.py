"""What a confirmation finds with the labels of rows: intervals over seeds and rows, and the values on the test split."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from finetune.tasks import measures_for
from finetune.tasks.metrics import evaluate
from finetune.tasks.task import Task
from studies.results.intervals import seeds_and_rows
from studies.running.kept import kept
from studies.running.stages import Stage

Predictions = dict[str, list[NDArray[Any] | None]]
# Each arm: its stage, and its place there.
Arms = Mapping[str, tuple[Stage, int]]


def runs_of(arms: Arms, seeds: int) -> dict[str, list[FrozenTrial]]:
    """The finished runs of each arm by seed."""
    found = {}
    for name, (stage, arm) in arms.items():
        runs = stage.runs()
        found[name] = [runs[arm, stage.seed(index)] for index in range(seeds)]
    return found


def predictions(arms: Arms, seeds: int, split: str) -> Predictions:
    """The predictions of each arm by seed; None for a run that failed or kept none."""
    return {name: [kept(run.user_attrs, split) for run in each] for name, each in runs_of(arms, seeds).items()}


def over_rows(arms: Arms, seeds: int, split: str, task: Task, metric: str, maximize: bool) -> dict[str, dict[str, float]]:
    """The winner against each rival: the interval over seeds and rows; without rivals for which a prediction is missing."""
    found, labels = predictions(arms, seeds, split), getattr(task, split).labels

    def score(labels: NDArray[Any], output: NDArray[Any]) -> float:
        return float(measures_for(task)[metric].score(labels, output.astype(np.float64)))

    told = {}
    for name in arms:
        ours, theirs = ([array for array in found[one] if array is not None] for one in ("winner", name))
        if name == "winner" or min(len(ours), len(theirs)) < seeds:
            continue
        spread = seeds_and_rows(ours, theirs, labels, score, maximize)
        if spread is not None:
            told[name] = {"low": spread.low, "high": spread.high, "rows": spread.rows}
    return told


def read_test(arms: Arms, seeds: int, task: Task, metric: str, maximize: bool) -> dict[str, Any]:
    """The values of each arm by seed on the test split, and intervals; or ``why`` it cannot be read."""
    if not task.test.labelled:
        return {"why": "it has no labels"}
    found = predictions(arms, seeds, "test")
    complete = [run.value is not None for each in runs_of(arms, seeds).values() for run in each]
    arrays = [array is not None for each in found.values() for array in each]
    if any(whole and not there for whole, there in zip(complete, arrays, strict=True)):
        return {"why": "the runs kept no predictions of it, because they are too large for a database"}
    labels = task.test.labels
    values = {
        name: [None if array is None else evaluate(task, labels, array)[metric] for array in each]
        for name, each in found.items()
    }
    return {"count": len(task.test), "values": values, "rows": over_rows(arms, seeds, "test", task, metric, maximize)}
