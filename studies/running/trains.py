"""What trains the trials of a study of ``search``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from finetune.data.load import load_task
from finetune.tasks.metrics import metrics_for, named, views_of
from finetune.tasks.task import Task
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch
from finetune.training.series import Part, Series
from studies.planning.plan import Plan
from studies.planning.request import Request
from studies.planning.resolve import Job
from studies.running.folded import Folded
from studies.running.keeper import KEEP, Keeper
from studies.running.objective import Objective
from studies.running.prefix import shared_folder


class Watches(Protocol):
    """Who is told about evaluations, with the trial, or with None for clean training."""

    def on_epoch(self, trial: Any, epoch: Epoch) -> None:
        """An evaluation."""

    def on_run(self, trial: Any, part: Part, many: int, epoch: Epoch) -> None:
        """An evaluation of one of several runs."""


def benches_of(request: Request, threads: int, task: Task | None = None) -> tuple[str, Benches]:
    """The metric of the trials, and data and model.

    Args:
        request: The search.
        threads: CPU threads.
        task: The task, if it has been read already.

    Raises:
        UserError: They cannot be read, or do not fit each other.
    """
    asked = request.aim.metric
    if asked is not None:
        named(asked)  # a task has the user's own metrics only if this process has read their file
    task = task or load_task(request.data, asked, request.folds)
    metric = metrics_for(task, asked)[0]
    views = views_of(metric, request.aim.record, request.aim.second)
    return metric, Benches(task, request.recipe.model_copy(update={"threads": threads}), views)


def trains(job: Job[Plan], series: Series, folder: Path, watch: Watches, say: Callable[[str], None]) -> Objective | Folded:
    """What trains the trials: one run each, or several that are judged together.

    Args:
        job: What is searched.
        series: The runs of a trial.
        folder: Folder of the study's files.
        watch: Who is told about evaluations.
        say: Called with a line about a trial.
    """
    request, plan, prefixes = job.request, job.plan, shared_folder(job.request.output.out)
    reuse, second = request.running.prefix_reuse, request.aim.second
    made: Objective | Folded
    if len(series.parts) > 1:
        made = Folded(plan, series, folder, prefixes, watch.on_run, reuse, second)
    else:
        made = Objective(plan, series.metric, series.benches.whole, folder, prefixes, watch.on_epoch, reuse, second)
    made.say = say
    if most := KEEP[request.output.keep]:
        made.keeper = Keeper(plan, series.metric, job.name, folder, most, say)
    return made
