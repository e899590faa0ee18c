"""The search command: from options to a finished study and its files."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from rich.console import Console

from finetune.config import TINY, Data, Recipe, checked
from finetune.errors import UserError, near, writing
from finetune.load import load_task
from finetune.loop import Bench
from finetune.metrics import DEFAULTS, find_metric
from finetune.task import Task
from studies.console import Watch, print_summary, say
from studies.export import as_yaml, best_of
from studies.identity import KEY, identity, refuse_another
from studies.objective import Objective
from studies.plan import Plan, make_plan
from studies.pruning import PRUNERS
from studies.report import write_report, write_trials
from studies.sampling import SAMPLERS
from studies.search import Options, finished, prepare, run_trials
from studies.starts import read_starts, starts_of
from studies.storage import close_storage, database_file, open_storage, public, storage_errors
from studies.summary import BASELINE, Summary, summarise
from studies.whole import write_whole

# The first phase: enough for importances (32 Sobol points), never more than half of a small search.
EXPLORE = 32
PATHS = ("data", "train_file", "validation_file", "test_file")
PRETRAINED = {"epochs": 3, "learning_rate": 5e-5}


@dataclass(frozen=True)
class Request:
    """The options of one command, as typed."""

    methods: tuple[str, ...]
    data: dict[str, Any]
    recipe: dict[str, Any]
    sets: tuple[str, ...]
    ranges: tuple[str, ...]
    tune: tuple[str, ...]
    space: str | None
    start: tuple[str, ...]
    trials: int
    explore: int | None
    timeout: float | None
    sampler: str
    pruner: str
    storage: str
    study: str | None
    out: str
    prefix_reuse: bool


def recipe_for(given: dict[str, Any], task: Task | None = None) -> Recipe:
    """Fill in what was not given: the built-in encoder and pretrained ones want different rates.

    Raises:
        UserError: A value is outside its domain.
    """
    kind = "classification" if task is None else task.kind
    metric = "mcrmse" if task is not None and kind == "regression" and len(task.names) > 1 else DEFAULTS[kind]
    pretrained = given.get("model", TINY) != TINY
    defaults = PRETRAINED | {"threads": os.cpu_count() or 1} if pretrained else {}
    return checked(Recipe, {"metric": metric} | defaults | given)


def check_request(request: Request) -> Data:
    """Refuse what can be refused before anything is read.

    Raises:
        UserError: A name is unknown or a number is outside its domain.
    """
    refuse_empty(asdict(request) | request.data | request.recipe)
    for name, value, known in (("sampler", request.sampler, SAMPLERS), ("pruner", request.pruner, PRUNERS)):
        if value not in known:
            raise UserError(f"unknown {name} {value!r}{near(value, known)}")
    if request.trials < 1:
        raise UserError(f"--trials is {request.trials}; at least 1 is needed")
    if request.explore is not None and request.explore < 0:
        raise UserError(f"--explore is {request.explore}; 0 or more is needed")
    if request.timeout is not None and not request.timeout > 0:
        raise UserError(f"--timeout is {request.timeout:g}; seconds above 0 are needed")
    if "metric" in request.recipe:
        find_metric(request.recipe["metric"])
    return source_of(request.data)


def refuse_empty(options: dict[str, Any]) -> None:
    """Refuse options that are given, but empty.

    Raises:
        UserError: One is.
    """
    for name, value in options.items():
        if value == "" or (name in ("methods", "label_column") and not value):
            raise UserError(f"--{name.rstrip('s').replace('_', '-')} is empty")


def source_of(data: dict[str, Any]) -> Data:
    """The data that is asked for; the built-in task where there is none.

    Raises:
        UserError: Options exclude each other, or one needs another.
    """
    sources = [name for name in ("task", "data", "train_file") if data.get(name)]
    if len(sources) > 1:
        raise UserError(f"--{sources[0]} and --{sources[1].replace('_', '-')} exclude each other; give one")
    if not data.get("train_file") and (data.get("validation_file") or data.get("test_file")):
        raise UserError("--validation-file and --test-file need --train-file")
    values = {key: absolute(value) if key in PATHS else value for key, value in data.items()}
    return checked(Data, values if sources else values | {"task": "reviews"})


def absolute(value: str) -> str:
    """A file or folder on this disk with its whole path, so that best.yaml finds it from everywhere; a hub id as it is."""
    path = Path(value).expanduser()
    return str(path.resolve()) if path.exists() else value


def search(request: Request, console: Console) -> None:
    """Search each method, one study after the other.

    Raises:
        UserError: The request cannot be carried out.
        KeyboardInterrupt: It was stopped; the same command goes on.
    """
    data = check_request(request)
    database_file(request.storage)
    plans(request, data, recipe_for(request.recipe))  # names and ranges are refused before data and model are read
    task = load_task(data, request.recipe.get("metric"))
    recipe = recipe_for(request.recipe, task)
    bench = Bench(task, recipe)
    if recipe.model != TINY:
        recipe = recipe.model_copy(update={"model": absolute(recipe.model)})
    storage = open_storage(request.storage)
    try:
        for plan, starts in plans(request, data, recipe):
            name = request.study or f"{task.name}-{plan.method}"
            if request.study and len(request.methods) > 1:
                name = f"{request.study}-{plan.method}"
            with writing(f"--out {request.out}"):
                search_one(request, plan, starts, bench, storage, name, console)
    finally:
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


def search_one(
    request: Request,
    plan: Plan,
    starts: list[dict[str, Any]],
    bench: Bench,
    storage: RDBStorage,
    name: str,
    console: Console,
) -> None:
    """One study: make it or take it up, run what is left of it, print its summary, write its files."""
    total = request.trials
    if not plan.space and total > 1:
        say(console, f"{plan.method}: nothing to search (add --tune), so one trial")
        total = 1
    with storage_errors(request.storage):
        there = find_study(storage, name)
        mine = about(request, plan, starts, bench, total, there)
        done = [] if there is None else finished(there)
    folder = study_folder(request.out, name)
    watch = Watch(console, plan.recipe.metric, mine["direction"] == "maximize", total, done)
    objective = Objective(plan, bench, folder, Path(request.out) / "prefix", watch.on_epoch, request.prefix_reuse)
    left = max(0, total - len(done))
    rows = f"{len(bench.train)} train and {len(bench.validation)} validation rows"
    say(console, f"study {name} in {public(request.storage)}: {len(done)} trials finished, {left} to go")
    say(console, f"{bench.task.name}: {rows}, model {plan.recipe.model}, metric {plan.recipe.metric}")
    first = [plan.defaults(), *mine["search"].get("starts", [])]
    if len(first) > 1:
        cut = f"; --trials {total} ends before the last {len(first) - total} of them" if total < len(first) else ""
        say(console, f"trial 0 has the method's defaults, trials 1 to {len(first) - 1} the settings of --start{cut}")
    known = {} if there is None else there.user_attrs
    clean = known[BASELINE] if {BASELINE, KEY} <= known.keys() else [asdict(epoch) for epoch in objective.baseline()]
    watch.clean = clean[-1]["metrics"][plan.recipe.metric]
    with storage_errors(request.storage):
        study = begin(storage, name, mine, clean)
    options = Options(
        total, mine["search"]["explore"], plan.recipe.seed, request.sampler, request.pruner, request.timeout
    )  # fmt: skip
    prepare(study, options, plan.space, first, int(plan.fixed.get("start_epoch", 0)))
    with watch.showing():
        run_trials(study, storage, folder, objective, options, watch.on_finished)
    summary = summarise(study)
    print_summary(console, summary)
    write_outputs(summary, folder, request.storage, console)


def find_study(storage: RDBStorage, name: str) -> optuna.Study | None:
    """The study of that name, where there is one."""
    if name not in optuna.get_all_study_names(storage):
        return None
    return optuna.load_study(study_name=name, storage=storage)


def about(
    request: Request, plan: Plan, starts: list[dict[str, Any]], bench: Bench, total: int, there: optuna.Study | None
) -> dict[str, Any]:
    """The identity of the study that is asked for; first phase and starts that are not given are the study's own.

    Raises:
        UserError: A study of that name is about something else.
    """
    direction = find_metric(plan.recipe.metric).direction
    explore = max(len(starts) + 1, min(EXPLORE, total // 2)) if request.explore is None else request.explore
    known = {} if there is None else there.user_attrs.get(KEY, {}).get("search", {})
    if request.explore is None:
        explore = known.get("explore", explore)
    starts = starts if request.start else known.get("starts", [])
    mine = identity(plan, bench, direction, explore, request.sampler, request.pruner, starts)
    # One without identity and trials is ours, and was stopped in its making.
    if there is not None and (KEY in there.user_attrs or there.trials or there.direction.name.lower() != direction):
        refuse_another(there, mine)
    return mine


def begin(storage: RDBStorage, name: str, mine: dict[str, Any], clean: list[dict[str, Any]]) -> optuna.Study:
    """Take up the study, or make it, now that its baseline is known: what cannot be trained leaves no study.

    Raises:
        UserError: Another process has made one about something else meanwhile.
    """
    study = optuna.create_study(study_name=name, storage=storage, direction=mine["direction"], load_if_exists=True)
    if KEY in study.user_attrs:
        refuse_another(study, mine)
    study.set_user_attr(BASELINE, clean)
    study.set_user_attr(KEY, mine)
    return study


def study_folder(out: str, name: str) -> Path:
    """The folder of a study; its name is made safe for a path.

    Raises:
        UserError: It cannot be made or written.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".") or "study"
    folder = Path(out).expanduser() / safe
    probe = folder / ".writable"
    with writing(f"--out {out}"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_text("1")
        finally:
            probe.unlink(missing_ok=True)
    return folder


def write_outputs(summary: Summary, folder: Path, storage: str, console: Console) -> None:
    """Report, table and best config, each whole or not at all."""
    paths = [write_report(summary, folder), write_trials(summary, folder)]
    if summary.count(TrialState.COMPLETE):
        paths.append(write_whole(folder / "best.yaml", as_yaml(best_of(summary))))
    for path in paths:
        say(console, f"written: {path!s}")
    if summary.count(TrialState.COMPLETE):
        say(console, f"train the best: python search.py train {folder / 'best.yaml'!s}")
    line = "" if storage == "sqlite:///studies.db" else f" --storage {public(storage)}"
    say(console, f"look at the trials: python search.py dashboard{line}")
