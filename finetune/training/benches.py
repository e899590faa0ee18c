"""The benches of a task: one for each fold, and one for all rows."""

from collections.abc import Sequence

from finetune.config import Recipe
from finetune.tasks.task import Task
from finetune.training.bench import Bench


class Benches:
    """The benches of a task with folds, each made when it is first needed; no weights of models are kept.

    Whatever is fitted on train rows (words and vectors of the built-in encoder, scales of targets, weights of classes,
    the usual tag) is fitted for each fold on its own train rows.

    Args:
        task: The rows, with or without folds.
        recipe: For its model, text length, threads and seed.
        views: Further views under which metrics are measured.

    Attributes:
        whole: The bench of all rows. Without folds it is the only one; with folds nothing trains on it.

    Raises:
        UserError: The model does not fit the task.
    """

    def __init__(self, task: Task, recipe: Recipe, views: Sequence[str] = ()) -> None:
        self.task, self.recipe, self.views = task, recipe, tuple(views)
        self.whole = Bench(task, recipe, views)
        self._folds: dict[int, Bench] = {}
        if task.fold_of is not None:
            self.whole.models.forget()

    def fold(self, number: int) -> Bench:
        """The bench of one fold, from 0; without folds the only one."""
        if self.task.fold_of is None:
            return self.whole
        if number not in self._folds:
            self._folds[number] = Bench(self.task.fold(number), self.recipe, self.views)
        return self._folds[number]
