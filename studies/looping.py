"""Search with your own training loop."""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import optuna
from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.errors import writing
from finetune.machine import usual_device
from studies.life import Callback, Life, Team, finished_of
from studies.onward import go_on, say_next
from studies.own_loop import DIRECTIONS
from studies.planning.identity import asked, identity_of
from studies.planning.loop_plan import LoopPlan, loop_plan
from studies.planning.request import Request
from studies.planning.resolve import Job, refuse_part, refuse_small_phase
from studies.planning.starts import read_starts, starts_of
from studies.report.progress import Watch
from studies.report.screen import Screen
from studies.result import Result
from studies.running.begin import find_study
from studies.running.folder import open_with_folder, study_folder
from studies.running.looped import LoopObjective, Run
from studies.running.storage import close_storage, is_new, refuse_storage, storage_errors
from studies.running.takeover import arranged, refuse_early
from studies.running.workers.crew import Crew
from studies.working import LoadingLoop, SearchingLoop, crew_of


def search_loop(
    request: Request,
    train: Callable[[Run], float | None],
    loop: dict[str, Any],
    recipe: dict[str, Any],
    metric: str,
    direction: str,
    screen: Screen,
    callbacks: Sequence[Callback],
) -> Result:
    """Run one study of a training loop.

    Args:
        request: What to search.
        train: The loop.
        loop: Its name, and the user's description of its data.
        recipe: Default values of the loop's recipe.
        metric: The name of its value.
        direction: "maximize" or "minimize".
        screen: Where progress is printed.
        callbacks: Optuna callbacks.
    """
    aim, output = request.aim, request.output
    [method] = aim.method
    plan = loop_plan(method, loop, request.recipe.epochs, request.recipe.seed, recipe, aim.set, aim.space, aim.tune)
    starts = starts_of([plan], read_starts(aim.start))[method]
    name = request.study_name(loop["loop"].rpartition(".")[2], method)
    job: Job[LoopPlan] = Job(request, plan, starts, name)
    refuse_small_phase(job)
    refuse_part(job)
    refuse_storage(output.storage)
    if is_new(output.storage):
        refuse_early(job, metric, None, direction)
    storage = open_with_folder(output.storage, output.out, name)
    with ExitStack() as stack:
        stack.callback(close_storage, storage)
        with storage_errors(output.storage):
            left = max(0, job.trials - len(finished_of(find_study(storage, name))))
        crew = crew_of(request.running, None, screen, output.storage, left)
        if crew is not None:
            stack.enter_context(crew)
        found = search_one_loop(job, train, metric, direction, storage, screen, callbacks, crew=crew)
    found = go_on(request, found, screen, train) if request.running.confirm else found
    say_next(found, screen)
    return found


def search_one_loop(
    job: Job[LoopPlan],
    train: Callable[[Run], float | None],
    metric: str,
    direction: str,
    storage: RDBStorage,
    screen: Screen,
    callbacks: Sequence[Callback],
    command: str | None = None,
    crew: Crew | None = None,
) -> Result:
    """Create or continue one study, run its remaining trials and write its files.

    ``command`` goes on with it; ``crew`` are the workers that train its trials, None trains them here.
    """
    plan, output, loop = job.plan, job.request.output, job.plan.loop
    with storage_errors(output.storage):
        refuse_early(job, metric, storage, direction)
        there = find_study(storage, job.name)
        mine, lines = asked(job, metric, there, None, direction)
        device = usual_device()
        mine |= {"device": device}
        mine, taking = arranged(job, mine, there, storage)
    mine |= source_of(train)
    lines += changed(there, mine)
    watch = Watch(screen, metric, direction == "maximize", job.trials, [*finished_of(there), *taking.trials])
    folder = study_folder(output.out, job.name)
    objective = LoopObjective(plan, train, metric, folder, watch.on_epoch)
    what = f"{loop['loop']}: {plan.epochs} epochs, {metric} ({DIRECTIONS[direction]})"
    with writing(arg("out", output.out)):
        life = Life(job, mine, folder, storage, objective, watch, {}, device, taking, command)
        if crew is not None and life.left:  # trials that are taken over count as well
            life.team = Team(crew, partial(SearchingLoop, metric=metric, folder=folder))
            if not crew.there:  # they get ready while this process trains the baseline
                crew.ready(LoadingLoop(train))
        return life.run(there, [what, *lines], callbacks)


def source_of(train: Callable[[Run], float | None]) -> dict[str, str]:
    """A fingerprint of the loop's source code; empty if it cannot be read."""
    try:
        text = inspect.getsource(getattr(train, "func", train))
    except (OSError, TypeError):
        return {}
    return {"source": hashlib.sha256(text.encode()).hexdigest()[:16]}


def changed(there: optuna.Study | None, mine: dict[str, Any]) -> list[str]:
    """A line if the loop's source code has changed since the study began."""
    begun = (identity_of(there) if there is not None else None) or {}
    if "source" not in begun or begun["source"] == mine.get("source"):
        return []
    loop = mine["data"]["loop"]
    way = f"if it now trains differently, choose another name with {arg('study')}"
    return [f"the source code of {loop} has changed since the study began: {way}, or its values cannot be compared"]
