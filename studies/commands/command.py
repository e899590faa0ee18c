"""The search command: from options to a finished study and its files."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from rich.console import Console

from finetune.config import Data, Recipe
from finetune.data.load import load_task, task_name
from finetune.errors import UserError, writing
from finetune.tasks.metrics import constant_guess, metric_for
from finetune.tasks.task import Task
from finetune.training.bench import Bench
from studies.commands.console import Watch, print_summary, say
from studies.commands.outputs import study_folder, write_outputs
from studies.planning.identity import ACCEPTED, KEY, identity, identity_of, refuse_another
from studies.planning.plan import Plan, make_plan
from studies.planning.request import Request, lasting, recipe_for, too_many_threads
from studies.planning.starts import read_starts, starts_of
from studies.planning.versions import changes, made_under, versions
from studies.results.digits import nothing_learned, places_of
from studies.results.summary import BASELINE, CONSTANT, summarise
from studies.running.estimate import estimate
from studies.running.loop import Options, finished, prepare, run_trials
from studies.running.objective import Objective
from studies.running.storage import close_storage, database_file, open_storage, public, storage_errors

# The first phase: enough for importances (32 Sobol points), never more than half of a small search.
EXPLORE = 32
DIRECTIONS = {True: "higher is better", False: "lower is better"}
Starts = list[dict[str, Any]]


def search(request: Request, data: Data, console: Console, task: Task | None = None) -> None:
    """Search each method, one study after the other.

    What can be refused is refused in the order of what it costs: options, space, the study that is there, data, model.

    Args:
        request: As ``check_request`` took it.
        data: What that gave.
        console: To print on.
        task: Where it was read already.

    Raises:
        UserError: The request cannot be carried out.
        KeyboardInterrupt: It was stopped; the same command goes on.
    """
    wanted = plans(request, data, lasting(recipe_for(request.recipe)))
    file = database_file(request.storage)
    storage = open_storage(request.storage) if file is None or file.exists() else None
    try:
        given, lines = request.recipe, list[str]()
        if storage is not None:
            given, lines = taken_up(request, data, wanted, storage)
        task = task or load_task(data, request.metric)
        recipe, metric = recipe_for(given), metric_for(task, request.metric)
        bench = Bench(task, recipe)
        storage = storage or open_storage(request.storage)
        for line in [*lines, too_many_threads(recipe.threads), *bench.read, *bench.notes]:
            if line:
                say(console, line)
        for plan, starts in plans(request, data, lasting(recipe)):
            with writing(f"--out {request.out}"):
                search_one(
                    request, plan, metric, starts, bench, storage, request.study_name(task.name, plan.method), console
                )
    finally:
        if storage is not None:
            close_storage(storage)


def plans(request: Request, data: Data, recipe: Recipe) -> list[tuple[Plan, list[dict[str, Any]]]]:
    """What is searched, method by method, and from where: the settings of the trials after trial 0.

    Raises:
        UserError: A name or value cannot be had.
    """
    made = [
        make_plan(method, data, recipe, request.sets, request.ranges, request.space, request.tune)
        for method in request.methods
    ]
    starts = starts_of(made, read_starts(request.start))
    for plan in made:
        many = len(starts[plan.method]) + 1
        if many > 1 and request.explore is not None and request.explore < many:
            what = f"trial 0 and the {many - 1} of --start belong to that phase"
            raise UserError(f"--explore is {request.explore}, but {what}: {many} or more is needed")
    return [(plan, starts[plan.method]) for plan in made]


def taken_up(
    request: Request, data: Data, wanted: list[tuple[Plan, Starts]], storage: RDBStorage
) -> tuple[dict[str, Any], list[str]]:
    """Compare with the studies that are there, as far as possible without data and model.

    Returns:
        The recipe's options, with the studies' own in place of defaults that depend on the machine; lines about those.

    Raises:
        UserError: A study is about something else.
    """
    given, lines = dict(request.recipe), []
    for plan, starts in wanted:
        with storage_errors(request.storage):
            there = find_study(storage, request.study_name(data.task or task_name(data), plan.method))
        if there is None or KEY not in there.user_attrs:
            continue
        threads = there.user_attrs[KEY]["recipe"].get("threads", plan.recipe.threads)
        if "threads" not in given:
            given["threads"] = threads
            if threads != plan.recipe.threads:
                here = f"the default here is {plan.recipe.threads}; --threads asks for another number"
                lines.append(f"study {there.study_name} was begun with --threads {threads}, and goes on with it ({here})")
        recipe = plan.recipe.model_copy(update={"threads": given["threads"]})
        about(request, replace(plan, recipe=recipe), request.metric, starts, there)
    return given, lines


def search_one(
    request: Request,
    plan: Plan,
    metric: str,
    starts: Starts,
    bench: Bench,
    storage: RDBStorage,
    name: str,
    console: Console,
) -> None:
    """One study: make it or take it up, run what is left of it, print its summary, write its files."""
    total = trials_of(request, plan)
    with storage_errors(request.storage):
        there = find_study(storage, name)
        mine, lines = about(request, plan, metric, starts, there, bench)
        done = [] if there is None else finished(there)
    folder = study_folder(request.out, name)
    maximize = mine["direction"] == "maximize"
    guess = constant_guess(bench.task)
    watch = Watch(console, metric, maximize, total, done, places_of(maximize, guess[metric]))
    objective = Objective(plan, metric, bench, folder, Path(request.out) / "prefix", watch.on_epoch, request.prefix_reuse)
    left = max(0, total - len(done))
    rows = f"{len(bench.train)} train and {len(bench.validation)} validation rows"
    say(console, f"study {name} in {public(request.storage)}: {len(done)} trials finished, {left} to go")
    say(console, f"{bench.task.name}: {rows}, model {plan.recipe.model}, metric {metric} ({DIRECTIONS[maximize]})")
    first = [plan.defaults(), *mine["search"].get("starts", [])]
    for line in [*lines, *notes(request, plan, total, first)]:
        say(console, line)
    known = {} if there is None else there.user_attrs
    clean = known[BASELINE] if {BASELINE, KEY} <= known.keys() else [asdict(epoch) for epoch in objective.baseline()]
    watch.clean = clean[-1]["metrics"][metric]
    with storage_errors(request.storage):
        study = begin(storage, name, mine, {BASELINE: clean, CONSTANT: guess}, request.accept_versions)
        objective.made_under = made_under(study.user_attrs[KEY], bench.device.type)
    explore = mine["search"]["explore"]
    pruned = request.pruner != "none" and total > explore
    for text in (
        nothing_learned("clean training", metric, watch.clean, guess[metric], watch.places, maximize) if left else None,
        estimate(plan, [epoch["seconds"] for epoch in clean], left, request.prefix_reuse, pruned),
    ):
        if text:
            say(console, text)
    options = Options(total, explore, plan.recipe.seed, request.sampler, request.pruner, request.timeout)
    prepare(study, options, plan.space, first, int(plan.fixed.get("start_epoch", 0)))
    with watch.showing():
        run_trials(study, storage, objective, options, watch.on_finished, lambda line: say(console, line))
    summary = summarise(study)
    print_summary(console, summary)
    write_outputs(summary, folder, request.storage, console)


def notes(request: Request, plan: Plan, total: int, first: Starts) -> list[str]:
    """Lines about trials that are not as many, or not as free, as --trials says."""
    lines = []
    if total < request.trials:
        lines.append(f"{plan.method}: nothing to search (add --tune), so one trial")
    if len(first) > 1:
        cut = f"; --trials {total} ends before the last {len(first) - total} of them" if total < len(first) else ""
        lines.append(f"trial 0 has the method's defaults, trials 1 to {len(first) - 1} the settings of --start{cut}")
    return lines


def trials_of(request: Request, plan: Plan) -> int:
    """How many trials the study shall have: one where nothing is searched."""
    return request.trials if plan.space else 1


def find_study(storage: RDBStorage, name: str) -> optuna.Study | None:
    """The study of that name, where there is one."""
    if name not in optuna.get_all_study_names(storage):
        return None
    return optuna.load_study(study_name=name, storage=storage)


def about(
    request: Request,
    plan: Plan,
    metric: str | None,
    starts: Starts,
    there: optuna.Study | None,
    bench: Bench | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The identity of the study that is asked for; first phase and starts that are not given are the study's own.

    Without ``bench``, before data and model are read, it is what is known by then.

    Returns:
        The identity, and lines about versions and device that are not the study's.

    Raises:
        UserError: A study of that name is about something else.
    """
    explore = max(len(starts) + 1, min(EXPLORE, trials_of(request, plan) // 2))
    begun = (identity_of(there) if there is not None else None) or {}
    known = begun.get("search", {})
    explore = known.get("explore", explore) if request.explore is None else request.explore
    starts = starts if request.start else known.get("starts", [])
    mine = identity(plan, metric or "accuracy", explore, request.sampler, request.pruner, starts, bench)
    if bench is not None:
        mine["model fingerprint"] = bench.models.fingerprint_like(begun.get("model fingerprint"))
    if metric is None:  # the labels will tell
        del mine["direction"], mine["metric"]
    lines: list[str] = []
    # One without identity and trials is ours, and was stopped in its making.
    if there is not None and (begun or there.trials or there.direction.name.lower() != mine.get("direction")):
        lines = refuse_another(there, mine, request.accept_versions)
    return mine, lines


def begin(storage: RDBStorage, name: str, mine: dict[str, Any], measured: dict[str, Any], accept: bool) -> optuna.Study:
    """Take up the study, or make it, now that its baseline is known: what cannot be trained leaves no study.

    What a study is about is written once; versions that were accepted later are added beside it.

    Args:
        storage: The database.
        name: Of the study.
        mine: Its identity.
        measured: Baseline and constant guess.
        accept: Whether other versions will do.

    Raises:
        UserError: Another process has made one about something else meanwhile.
    """
    study = optuna.create_study(study_name=name, storage=storage, direction=mine["direction"], load_if_exists=True)
    if KEY not in study.user_attrs:
        for key, value in (measured | {KEY: mine}).items():
            study.set_user_attr(key, value)
        return study
    refuse_another(study, mine, accept)
    if CONSTANT not in study.user_attrs:  # older than that
        study.set_user_attr(CONSTANT, measured[CONSTANT])
    accepted = study.user_attrs.get(ACCEPTED, [])
    if changes(study.user_attrs[KEY]["versions"], versions()) and versions() not in accepted:
        study.set_user_attr(ACCEPTED, [*accepted, versions()])
    return study
