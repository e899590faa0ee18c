"""How much better chosen evaluations look than they are, because the rows that chose them also measure them."""

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.tasks import measures_for
from finetune.tasks.metrics import direction_of, viewed
from finetune.tasks.task import Task
from finetune.training.bench import scoring
from finetune.training.chosen import KEPT
from finetune.training.loop import Training
from studies.running.whole import write_whole

LUCK = "clean-luck.json"
# Predictions of more numbers than this are not kept: so many rows leave little to luck.
MOST = 2_000_000
# The metric is computed so often in all, but on at least so many draws of rows: some metrics take a while.
DRAWS, FEWEST = 600, 20


class Luck:
    """Collects what clean training predicts at each evaluation, where the recipe chooses among them.

    Args:
        training: Clean training.
    """

    def __init__(self, training: Training) -> None:
        self.training, self.outputs = training, list[NDArray[Any]]()
        self.wanted = training.recipe.score != "last" and not viewed(training.metric)[0]

    def look(self) -> None:
        """Predict the validation rows with the weights that were just scored."""
        training, rows = self.training, self.training.bench.validation
        if self.wanted and sum(output.size for output in self.outputs) <= MOST:
            with training.average.swapped():
                self.outputs.append(training.bench.predict(training.model, rows, *scoring(training.recipe)))

    def write(self, folder: Path, name: str = LUCK) -> None:
        """Keep how much of the value is luck in a file, if every evaluation was seen.

        Raises:
            OSError: The file cannot be written.
        """
        training = self.training
        if self.outputs and len(self.outputs) == len(training.history):
            found = luck(training.bench.task, training.metric, self.outputs, KEPT[training.recipe.score])
            if math.isfinite(found):
                write_whole(folder / name, json.dumps(found))


def luck(task: Task, metric: str, outputs: Sequence[NDArray[Any]], many: int) -> float:
    """How much better the chosen evaluations look on the rows that chose them than on others; nan if it is not defined.

    The optimism of Efron (1983), of the choice alone: over draws of rows with replacement, the mean of (metric on the draw -
    metric on all rows) of the evaluations that are best on the draw, minus that mean over all evaluations.

    Args:
        task: The task.
        metric: A metric that is defined for it.
        outputs: Predictions of the validation rows at each evaluation.
        many: How many evaluations are chosen.
    """
    score, labels, rng = measures_for(task)[metric].score, task.validation.labels, np.random.default_rng(0)
    sign = 1 if direction_of(metric) == "maximize" else -1
    whole, gained = np.array([score(labels, output) for output in outputs]), list[float]()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a draw may lack a class, or be constant
        for pick in rng.integers(len(labels), size=(max(FEWEST, DRAWS // len(outputs)), len(labels))):
            try:
                drawn = np.array([score(labels[pick], output[pick]) for output in outputs])
            except ValueError:
                continue
            more = sign * (drawn - whole)
            if np.isfinite(more).all():
                best = np.argsort(-sign * drawn, kind="stable")[:many]
                gained.append(float(more[best].mean() - more.mean()))
    return float(np.mean(gained)) if len(gained) > 1 else math.nan


def luck_in(folder: Path, metric: str, name: str = LUCK) -> dict[str, Any]:
    """What ``Luck`` kept, as a part of what is known about the validation rows; empty if it kept nothing."""
    try:
        return {"luck": {metric: float(json.loads((folder / name).read_text(encoding="utf-8")))}}
    except (OSError, ValueError, TypeError):
        return {}
