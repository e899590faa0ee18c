"""From a request to its studies, before data and model are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from finetune.arguments import arg
from finetune.config import TINY, Recipe
from finetune.data.load import task_name
from finetune.errors import UserError
from finetune.machine import cores
from finetune.words import counted
from studies.planning.loop_plan import LoopPlan
from studies.planning.part import Part
from studies.planning.plan import Plan, make_plan
from studies.planning.request import Request, absolute
from studies.planning.starts import read_starts, starts_of

# The first phase: enough for importances (32 Sobol points), at most half of a small search.
EXPLORE = 32
P = TypeVar("P", bound=Plan | LoopPlan)


@dataclass(frozen=True)
class Job(Generic[P]):
    """One requested study.

    Args:
        request: The arguments.
        plan: What is searched, and with which recipe.
        starts: Settings of the trials after trial 0.
        name: The study's name.
    """

    request: Request
    plan: P
    starts: list[dict[str, Any]]
    name: str

    @property
    def part(self) -> Part:
        """Which part of a search the study is."""
        return Part.read(self.request.running.part)

    @property
    def whole(self) -> int:
        """How many trials the whole search will have: one if nothing is searched."""
        return self.request.aim.trials if self.plan.space else 1

    @property
    def trials(self) -> int:
        """How many trials the study will have."""
        return self.part.below(self.whole)

    @property
    def explore(self) -> int:
        """Trials of the first phase: the requested number, or the default for the number of trials."""
        return self.explore_beside(0)

    def explore_beside(self, taken: int) -> int:
        """Trials of the first phase if some trials are taken over from another study."""
        usual = max(len(self.starts) + 1, min(EXPLORE, (self.whole - taken) // 2))
        return usual if self.request.running.explore is None else self.request.running.explore

    def notes(self, first: Sequence[dict[str, Any]], taken: int = 0) -> list[str]:
        """Lines about trials whose number or settings differ from what the user may expect.

        Args:
            first: Settings of trial 0 and the starting points.
            taken: Number of trials taken over from another study, which come before.
        """
        lines = []
        if self.whole < self.request.aim.trials:
            lines.append(f"{self.plan.method}: nothing to search (add {arg('tune')}), so one trial")
        if not self.part.whole:
            numbers = ", ".join(str(self.part.place(number)) for number in range(min(3, self.trials)))
            more = ", ..." if self.trials > 3 else ""
            lines.append(f"part {self.part}: {counted(self.trials, 'trial')}, in the whole search {numbers}{more}")
        elif taken and first:
            lines.append(
                f"new trials begin at {taken}; first come {counted(len(first), 'trial')} with settings of your own "
                f"or the method's defaults"
            )
        elif len(first) > 1:
            cut = f"; {arg('trials', self.trials)} ends before the last {len(first) - self.trials} of them"
            cut = cut if self.trials < len(first) else ""
            last = len(first) - 1
            source = arg("start") if settings_of(self.request) is None else arg("config")
            which = "trial 1" if last == 1 else f"trials 1 to {last}"
            lines.append(f"trial 0 has the method's defaults (inside the ranges), {which} the settings of {source}{cut}")
        return lines


def resolve(request: Request) -> list[Job[Plan]]:
    """Make a job for each method.

    Raises:
        UserError: A name is unknown, or a value or range is not allowed.
    """
    aim, recipe = request.aim, lasting(request.recipe)
    if aim.from_study is not None and len(aim.method) > 1:
        raise UserError(f"{arg('from_study', aim.from_study)}: a study has one method, so give one {arg('method')}")
    data, folds = request.data, request.folds
    plans = [make_plan(method, data, recipe, aim.set, aim.space, aim.tune, folds) for method in aim.method]
    starts = starts_of(plans, read_starts(aim.start, settings_of(request)))
    task = request.data.task or task_name(request.data)
    jobs = [Job(request, plan, starts[plan.method], request.study_name(task, plan.method)) for plan in plans]
    for job in jobs:
        refuse_small_phase(job)
        refuse_part(job)
    return jobs


def settings_of(request: Request) -> str | None:
    """Where a configuration file gave the first starting point; None if it gave none."""
    typed = request.typed
    if typed is None or len(request.aim.start) == len(typed.get("start", ())):
        return None
    return f"{arg('config', typed['config'])}: settings"


def refuse_small_phase(job: Job[Any]) -> None:
    """Refuse a first phase with fewer trials than trial 0 and the starting points.

    Raises:
        UserError: The first phase is too small.
    """
    many, explore = len(job.starts) + 1, job.request.running.explore
    if many > 1 and explore is not None and explore < many:
        what = f"trial 0 and the {many - 1} of {arg('start')} belong to that phase"
        raise UserError(f"{arg('explore')} is {explore}, but {what}: {many} or more is needed")


def refuse_part(job: Job[Any]) -> None:
    """Refuse a part of a search that has no trials, or that can only be a whole search.

    Raises:
        UserError: It has none, or what is asked for needs the whole search.
    """
    if job.part.whole:
        return
    where = arg("part", str(job.part))
    if job.request.aim.from_study is not None:
        raise UserError(f"{where}: only a whole search takes trials of another study; leave out one of the two")
    if job.request.running.confirm:
        raise UserError(f"{where}: only the whole search can be confirmed; merge the parts first")
    if (other := Part.in_name(job.request.output.study)) not in (None, job.part):
        raise UserError(
            f"{where}: {arg('study', job.request.output.study)} is the name of part {other}; leave out its ending"
        )
    if not job.trials:
        what = f"{job.plan.method} has {counted(job.whole, 'trial')}, and this part has none of them"
        raise UserError(f"{where}: {what}; give at most {arg('part', f'1/{job.whole}')}")


def on_threads(job: Job[Plan], threads: int) -> Job[Plan]:
    """The job with another number of CPU threads."""
    recipe = job.plan.recipe.model_copy(update={"threads": threads})
    return replace(job, plan=replace(job.plan, recipe=recipe))


def lasting(recipe: Recipe) -> Recipe:
    """The recipe with the absolute path of a model's folder, so that best.yaml finds it from everywhere."""
    return recipe if recipe.model == TINY else recipe.model_copy(update={"model": absolute(recipe.model)})


def too_many_threads(threads: int) -> str | None:
    """A line if there are more threads than cores to run them."""
    if threads <= cores():
        return None
    what = f"this process may use {counted(cores(), 'core')}, and more threads than cores are slower, not faster"
    return f"{arg('threads', threads)}: {what}"
