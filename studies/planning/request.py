"""What one command asks for, as typed, and what of it can be refused before anything heavy is imported or read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.config import TINY, Data, Recipe, checked
from finetune.data.load import load_task
from finetune.errors import UserError, near
from finetune.machine import cores
from finetune.tasks.metrics import find_metric
from finetune.tasks.task import Task
from finetune.words import counted
from studies.running.pruning import PRUNERS
from studies.running.sampling import SAMPLERS
from studies.running.storage import refuse_storage

PATHS = ("data", "train_file", "validation_file", "test_file")
PRETRAINED = {"epochs": 3, "learning_rate": 5e-5}


@dataclass(frozen=True)
class Request:
    """The options of one command, as typed."""

    methods: tuple[str, ...]
    data: dict[str, Any]
    recipe: dict[str, Any]
    metric: str | None
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
    accept_versions: bool

    def study_name(self, task: str, method: str) -> str:
        """Of the study of one method."""
        if self.study is None:
            return f"{task}-{method}"
        return f"{self.study}-{method}" if len(self.methods) > 1 else self.study


def recipe_for(given: dict[str, Any]) -> Recipe:
    """Fill in what was not given: the built-in encoder and pretrained ones want different rates.

    Raises:
        UserError: A value is outside its domain.
    """
    pretrained = given.get("model", TINY) != TINY
    defaults = PRETRAINED | {"threads": cores()} if pretrained else {}
    return checked(Recipe, defaults | given)


def lasting(recipe: Recipe) -> Recipe:
    """The same with a model's folder by its whole path."""
    return recipe if recipe.model == TINY else recipe.model_copy(update={"model": absolute(recipe.model)})


def too_many_threads(threads: int) -> str | None:
    """A line where there are more threads than cores to run them."""
    if threads <= cores():
        return None
    have = counted(cores(), "core")
    return f"--threads {threads}: this process may use {have}, and more threads than cores are slower, not faster"


def check_request(request: Request) -> Data:
    """Refuse what can be refused before anything is read.

    Raises:
        UserError: A name is unknown, a number is outside its domain, or a file or folder is not there.
    """
    refuse_empty(asdict(request))
    for name, value, known in (("sampler", request.sampler, SAMPLERS), ("pruner", request.pruner, PRUNERS)):
        if value not in known:
            raise UserError(f"unknown {name} {value!r}{near(value, known)}")
    if request.trials < 1:
        raise UserError(f"--trials is {request.trials}; at least 1 is needed")
    if request.explore is not None and request.explore < 0:
        raise UserError(f"--explore is {request.explore}; 0 or more is needed")
    if request.timeout is not None and not request.timeout > 0:
        raise UserError(f"--timeout is {request.timeout:g}; seconds above 0 are needed")
    refuse_storage(request.storage)
    return check_sources(request.data, request.recipe, request.metric)


def check_sources(data: dict[str, Any], recipe: dict[str, Any], metric: str | None) -> Data:
    """Refuse what the options of data and recipe alone, and the names of files, tell.

    Raises:
        UserError: An option is empty or outside its domain, or a file or folder is not there.
    """
    refuse_empty(data | recipe)
    if metric is not None:
        find_metric(metric)
    source = source_of(data)
    refuse_missing(source, recipe_for(recipe).model)
    return source


def read_early(data: Data, metric: str | None) -> Task | None:
    """Files of one's own, read before anything heavy is imported, so that a wrong column is told at once.

    Args:
        data: Where the rows come from.
        metric: As it was asked for.

    Returns:
        The task; None for a built-in one or a hub's, which take their time.

    Raises:
        UserError: The data cannot be used.
    """
    if data.train_file is None and not (data.data is not None and Path(data.data).expanduser().exists()):
        return None
    return load_task(data, metric)


def refuse_missing(data: Data, model: str) -> None:
    """Refuse files and folders that are not there.

    Raises:
        UserError: One is not.
    """
    for file in (data.train_file, data.validation_file, data.test_file):
        if file is not None and not Path(file).expanduser().exists():
            raise UserError(f"{file}: there is no such file")
    for option, value in (("--data", data.data), ("--model", model)):
        path_like = value is not None and (value.startswith((".", "/", "~")) or value.count("/") > 1)
        if value is not None and path_like and not Path(value).expanduser().exists():
            raise UserError(f"{option} {value}: there is no such folder")


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
    if not (data.get("train_file") or data.get("data")) and (data.get("validation_file") or data.get("test_file")):
        raise UserError("--validation-file and --test-file need --train-file or --data")
    values = {key: absolute(value) if key in PATHS else value for key, value in data.items()}
    return checked(Data, values if sources else values | {"task": "reviews"})


def absolute(value: str) -> str:
    """A file or folder on this disk with its whole path, so that best.yaml finds it from everywhere; a hub id as it is."""
    path = Path(value).expanduser()
    return str(path.resolve()) if path.exists() else value
