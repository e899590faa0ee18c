"""Search each requested method, one study after the other."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.data.load import task_name
from finetune.errors import writing
from finetune.machine import usual_device
from finetune.tasks.metrics import constant_guess, direction_of
from finetune.tasks.task import Task
from finetune.training.benches import Benches
from finetune.training.series import Series, smallest
from finetune.training.views import told
from studies.life import Callback, Life, Team, finished_of
from studies.planning.choices import choices, unpruned
from studies.planning.identity import asked, identity_of
from studies.planning.plan import Plan
from studies.planning.request import Request
from studies.planning.resolve import Job, on_threads, resolve, too_many_threads
from studies.report.progress import Watch
from studies.report.screen import Screen
from studies.results.digits import places_of
from studies.results.facts import DIRECTIONS
from studies.results.folded import rows_told, runs_told
from studies.running.begin import find_study
from studies.running.calibrated import keep_ranges
from studies.running.few_steps import refuse_untrainable
from studies.running.folder import folder_of, open_with_folder, study_folder
from studies.running.named import named_before
from studies.running.storage import close_storage, database_file, open_storage, storage_errors
from studies.running.takeover import arranged, refuse_early
from studies.running.trains import benches_of, trains
from studies.running.workers.crew import Crew
from studies.working import Baseline, Loading, Same, Searching, crew_of

if TYPE_CHECKING:
    from studies.result import Result, Results


def search_all(
    request: Request,
    task: Task | None,
    screen: Screen,
    callbacks: Sequence[Callback] = (),
    on_result: "Callable[[Result], None]" = lambda result: None,
) -> "Results":
    """Search each method.

    The cheapest checks come first: arguments, space, the existing study, data, model.

    Args:
        request: What to search.
        task: The task, if it has been read already.
        screen: Where progress is printed.
        callbacks: Optuna callbacks, called after every trial.
        on_result: Called when the search of a method is done.

    Returns:
        The result of each method, by name. For several methods, a page about all of them is written too.

    Raises:
        UserError: Something in the request is wrong.
        KeyboardInterrupt: The search was stopped; the same call continues it.
    """
    jobs, url = resolve(request), request.output.storage
    file = database_file(url)
    storage = open_storage(url) if file is None or file.exists() else None
    with ExitStack() as stack:
        stack.callback(lambda: None if storage is None else close_storage(storage))
        jobs, lines = taken_up(jobs, storage)
        threads = jobs[0].plan.recipe.threads
        crew = crew_of(request.running, threads, screen, url, left_in(jobs, storage))
        if crew is not None:  # they load data and model while this process trains the baseline
            stack.enter_context(crew).ready(Loading(request, threads, usual_device()))
        metric, benches = benches_of(request, threads, task)
        whole, least = benches.whole, benches.fold(smallest(benches.whole.task))
        refuse_untrainable([job.plan for job in jobs], least)
        storage = storage or open_with_folder(url, request.output.out, jobs[0].name)
        costs = [told(whole.views, len(least.train), len(least.validation))] if whole.views else []
        chosen = dict.fromkeys(line for job in jobs for line in choices(job))
        crowded = too_many_threads(threads) if crew is None else None
        for line in filter(None, [*lines, crowded, *whole.read, *whole.notes, *costs, *chosen]):
            screen.say(line)
        found = {}
        for job in jobs:
            with writing(arg("out", request.output.out)):
                found[job.plan.method] = search_one(job, metric, benches, storage, screen, callbacks, crew=crew)
                on_result(found[job.plan.method])
        return together(request, found)


def left_in(jobs: Sequence[Job[Plan]], storage: RDBStorage | None) -> int:
    """How many runs of trials are left of the study that has the most of them."""
    request = jobs[0].request
    with storage_errors(request.output.storage):
        known = [0 if storage is None else len(finished_of(find_study(storage, job.name))) for job in jobs]
    left = max(job.trials - done for job, done in zip(jobs, known, strict=True))
    return max(0, left) * request.folds.runs


def together(request: Request, found: "dict[str, Result]") -> "Results":
    """All results; if there are several, a page about all of them is written."""
    from studies.result import Results

    out, name = request.output.out, request.all_name(request.data.task or task_name(request.data))
    page = folder_of(out, name)
    results = Results(found, name, page.with_name(f"{page.name}.html"))
    if len(found) > 1:
        with writing(arg("out", out)):
            results.report()
    return results


def taken_up(jobs: list[Job[Plan]], storage: RDBStorage | None) -> tuple[list[Job[Plan]], list[str]]:
    """Compare the jobs with existing studies, as far as possible without data and model.

    Returns:
        The jobs, where the studies' own values replace defaults that depend on the machine; lines that say so.

    Raises:
        UserError: An existing study is about something else.
    """
    request, lines = jobs[0].request, list[str]()
    refuse_early(jobs[0], request.aim.first, storage)
    if storage is None:
        return jobs, lines
    with storage_errors(request.output.storage):
        named = [named_before(job, storage) for job in jobs]
    jobs, lines = [job for job, _ in named], [line for _, more in named for line in more]
    given = "threads" in request.given
    for number, job in enumerate(jobs):
        with storage_errors(request.output.storage):
            there = find_study(storage, job.name)
        begun = None if there is None else identity_of(there)
        if begun is None:
            continue
        threads, here = begun["recipe"].get("threads", job.plan.recipe.threads), job.plan.recipe.threads
        if not given:
            jobs, given = [on_threads(each, threads) for each in jobs], True
            if threads != here:
                why = f"the default here is {here}; {arg('threads')} sets another number"
                lines.append(f"study {job.name} was started with {arg('threads', threads)} and keeps it ({why})")
        asked(jobs[number], request.aim.first, there)
        lines += keep_ranges(request, there)
    return jobs, lines


def search_one(
    job: Job[Plan],
    metric: str,
    benches: Benches,
    storage: RDBStorage,
    screen: Screen,
    callbacks: Sequence[Callback],
    command: str | None = None,
    crew: Crew | None = None,
) -> "Result":
    """Create or continue one study, run its remaining trials and write its files.

    Args:
        job: What to search.
        metric: The metric of its trials.
        benches: Data and models.
        storage: Its database.
        screen: Where progress is printed.
        callbacks: Optuna callbacks.
        command: What goes on with it, if that is not a search.
        crew: The workers that train its trials; None trains them here.
    """
    request, plan, bench = job.request, job.plan, benches.whole
    with storage_errors(request.output.storage):
        there = find_study(storage, job.name)
        mine, lines = asked(job, metric, there, bench)
        mine, taking = arranged(job, mine, there, storage)
    guess, maximize = constant_guess(bench.task, bench.views), mine["direction"] == "maximize"
    second, places = request.aim.second, places_of(maximize, guess[metric])
    watch = Watch(screen, metric, maximize, job.trials, [*finished_of(there), *taking.trials], places, second)
    watch.per, watch.epochs = plan.recipe.evals_per_epoch, plan.recipe.epochs
    folder, series = study_folder(request.output.out, job.name), Series(benches, plan.folds, plan.recipe, metric)
    objective = trains(job, series, folder, watch, screen.say)
    what = f"{bench.task.name}: {rows_told(bench.task)}, model {plan.recipe.model}"
    what += f", metric {metric} ({DIRECTIONS[maximize]})"
    if second is not None:
        what += f" and {second} ({DIRECTIONS[direction_of(second) == 'maximize']})"
        lines = [*lines, unpruned(metric, second)]
    watched, runs = (watch, guess, bench.device.type), len(series.parts)
    life = Life(job, mine, folder, storage, objective, *watched, taking, command, runs)
    if crew is not None:
        crew.ready(Same.of(bench))
        clean = Baseline(job, metric, folder) if runs > 1 else None
        life.team = Team(crew, partial(Searching, metric=metric, folder=folder), clean)
    result = life.run(there, [what, *runs_told(bench.task, plan.folds, metric), *lines], callbacks)
    from studies.keeping import settle_models  # what reads results takes a second to import; the first step need not wait

    settle_models(result, request.output.keep, screen, series)
    return result
