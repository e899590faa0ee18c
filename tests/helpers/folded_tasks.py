"""A small task with folds."""

from dataclasses import replace
from functools import cache

import numpy as np

from adv import Clean
from finetune.config import Recipe
from finetune.folds import Folds
from finetune.tasks.task import Task
from finetune.training.benches import Benches
from finetune.training.series import Ended, Series
from helpers.small_tasks import reviews_task

RECIPE = Recipe(epochs=1, batch_size=32)
# Fold 2 is smaller than the others, and rows of a fold do not lie side by side.
FOLD_OF = np.array([0, 1, 2, 1, 0, 1, 0, 0, 1, 2] * 4)


def folded(task: Task, fold_of: np.ndarray = FOLD_OF) -> Task:
    """The first train rows of a task, in these folds; few test rows, and few texts for the vectors."""
    pool, test = task.train.take(np.arange(len(fold_of))), task.test.take(np.arange(4))
    return replace(task, train=pool, validation=pool, test=test, fold_of=fold_of, unlabelled=task.unlabelled[:100])


@cache
def folded_task() -> Task:
    """40 reviews in three folds."""
    return folded(reviews_task())


def series_of(task: Task, folds: Folds, recipe: Recipe = RECIPE, metric: str = "accuracy", views: tuple[str, ...] = ()):
    """The runs of a task."""
    return Series(Benches(task, recipe, views), folds, recipe, metric)


def trained(series: Series, method: type = Clean) -> list[Ended]:
    """Train all of them."""
    ended = []
    for part in series.parts:
        training = series.training(part, method())
        assert list(training.epochs())
        ended.append(series.ended(part, training))
    return ended
