"""The request: every argument of a search, typed and checked on construction.

The arguments of the Python door and the options of the command line are both derived from the fields of these groups.
Imports nothing slow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo

from finetune.arguments import Line, arg
from finetune.config import TINY, Data, Recipe, Strict, View, checked
from finetune.errors import UserError, near
from finetune.folds import Folds
from finetune.machine import cores
from finetune.own_name import short_name
from studies.planning.idle import refuse_idle_folds
from studies.planning.part import Part
from studies.planning.sharing import Sharing

STORAGE = "sqlite:///studies.db"
PATHS = ("data", "train_file", "validation_file", "test_file")
PRETRAINED = {"epochs": 3, "learning_rate": 5e-5}


class Aim(Strict):
    """What to search."""

    config: str | None = Field(
        None, description="YAML file with any of these arguments, or a best.yaml; what is given beside it wins; see recipes/"
    )
    method: tuple[str, ...] = Field(("awp",), description="NAME[,NAME...] or all; `search.py methods` lists them (awp)")
    trials: int = Field(100, ge=1, description="the study's total of finished trials (100)")
    metric: str | None = Field(
        None,
        description="what is optimised: accuracy, macro_f1, rmse, ..., robust_accuracy, noisy_rmse, ...; two of them, or one"
        " and seconds (accuracy,seconds), give a front; my_file.py:function is your own",
    )
    record: tuple[View, ...] = Field(
        (), description="measure also under an attack on the embeddings (robust), with character noise (noisy), or both"
    )
    set: dict[str, Any] = Field({}, description=f"fix a setting: {arg('set', {'K': 3})}")
    space: tuple[str | dict[str, Any], ...] = Field(
        (), description="YAML file with fixed values and ranges: 'K: 3', 'adv_eps: 1e-4:0.1:log'"
    )
    tune: tuple[str, ...] = Field((), description="recipe parameters to search too: learning_rate,weight_decay,...")
    start: tuple[str | dict[str, Any], ...] = Field(
        (), description="YAML or JSON file with settings to try first; see starts/"
    )
    from_study: str | None = Field(None, description="take over this study's finished trials that lie inside the space")

    @property
    def first(self) -> str | None:
        """The metric that everything but the front is about; None if the task's default is meant."""
        return None if self.metric is None else short_name(self.metric.split(",")[0])

    @property
    def second(self) -> str | None:
        """The second metric, if there is one."""
        return None if self.metric is None or "," not in self.metric else short_name(self.metric.split(",")[1])


class Running(Sharing):
    """How to search."""

    explore: int | None = Field(None, ge=0, description="trials of the first, never pruned phase (half of all, at most 32)")
    timeout: float | None = Field(None, gt=0, description="begin no new trial after this many seconds")
    sampler: Literal["tpe", "random", "sobol", "gp"] = Field("tpe", description="sampler after the first phase (tpe)")
    pruner: Literal["median", "none"] = Field("median", description="median (of forecasts), or none (median)")
    calibrate: bool = Field(
        True, description="measure after clean epochs how strong an attack may be, and search there (yes)"
    )
    prefix_reuse: bool = Field(True, description="share clean epochs between trials (yes; the result is the same)")
    part: str | None = Field(
        None, description="search only part K of N (K/N), in a job array without a server; `search.py merge` joins the parts"
    )
    accept_versions: bool = Field(False, description="go on with a study that was begun under other versions")
    confirm: bool = Field(False, description="when the search has ended, go on to `search.py confirm`")

    @field_validator("part")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        return None if text is None or Part.read(text).whole else str(Part.read(text))


class Output(Strict):
    """Where results go."""

    storage: str = Field(STORAGE, description=f"Optuna storage URL ({STORAGE})")
    study: str | None = Field(None, description="study name (<task>-<method>); with several methods NAME.<method>")
    out: str = Field("runs", description="folder for results (runs)")
    keep: Literal["none", "best", "top3"] = Field(
        "none", description="keep the models of the best trial, or of the best three (none)"
    )


@dataclass(frozen=True)
class Request:
    """One search, as requested; arguments that are not ``given`` have their defaults.

    With a ``config``, ``typed`` is what was given beside it, and ``notes`` are lines about what it says.
    """

    aim: Aim
    data: Data
    recipe: Recipe
    running: Running
    output: Output
    folds: Folds = field(default_factory=Folds)
    given: frozenset[str] = frozenset()
    typed: dict[str, Any] | None = None
    notes: tuple[Line, ...] = ()

    def study_name(self, task: str, method: str) -> str:
        """The name of one method's study.

        With several methods and a given name it is NAME.METHOD, and a part of a search adds which it is. This never equals a
        default name (TASK-METHOD), whatever the task's name, because names of methods have neither dot nor dash.
        """
        part, study = Part.read(self.running.part), self.output.study
        if study is None:
            return part.named(f"{task}-{method}")
        study = part.name_of_whole(study)
        return part.named(f"{study}.{method}" if len(self.aim.method) > 1 else study)

    def all_name(self, task: str) -> str:
        """The name for the studies of several methods together."""
        return f"{self.output.study or task}-methods"

    def earlier_name(self, method: str) -> str | None:
        """The name of the study in version 0.1.0; None if it is the same."""
        several = self.output.study is not None and len(self.aim.method) > 1
        return f"{self.output.study}-{method}" if several else None


GROUPS: dict[str, type[Strict]] = {
    "aim": Aim, "data": Data, "folds": Folds, "recipe": Recipe, "running": Running, "output": Output,
}  # fmt: skip
# Arguments that take several values; a single value is accepted too.
SEVERAL = ("method", "label_column", "label_order", "tune", "space", "start", "record")


def fields(*groups: str) -> Iterator[tuple[str, FieldInfo]]:
    """Names and fields of these groups, in their order; of all groups if none is named."""
    for group in groups or GROUPS:
        yield from GROUPS[group].model_fields.items()


def request_of(arguments: dict[str, Any], groups: tuple[str, ...] = tuple(GROUPS)) -> Request:
    """Check arguments and fill in what was not given.

    Args:
        arguments: Values by name; None for an argument that was not given.
        groups: The groups that the caller takes arguments of.

    Raises:
        UserError: An argument is unknown, empty, not allowed, or excludes another, or a file does not exist.
    """
    given = {name: plain(name, value) for name, value in arguments.items() if value is not None}
    known, notes, typed = [name for name, _ in fields(*groups)], list[Line](), None
    if "config" in given:
        from studies.planning.config_file import with_config

        typed = given
        given, notes = with_config(given, GROUPS, known)
        given = {name: plain(name, value) for name, value in given.items()}
    for name, value in given.items():
        if name not in known:
            raise UserError(f"there is no argument {name!r}{near(name, known)}")
        if value in ("", ()):
            raise UserError(f"{arg(name)} is empty")
    parts = {group: {name: given[name] for name, _ in fields(group) if name in given} for group in GROUPS}
    aim, data, running = checked(Aim, parts["aim"]), data_of(parts["data"]), checked(Running, parts["running"])
    request = Request(
        aim=aim,
        data=data,
        recipe=recipe_of(parts["recipe"], running.workers),
        running=running,
        output=checked(Output, parts["output"]),
        folds=checked(Folds, parts["folds"]),
        given=frozenset(given),
        typed=typed,
        notes=tuple(notes),
    )
    refuse_idle_folds(request.folds, request.data)
    refuse_missing(request.data, request.recipe.model)
    return request


def plain(name: str, value: Any) -> Any:
    """A value as the groups take it: paths as text, and a single value in a tuple if there may be several."""
    if isinstance(value, PathLike):
        value = str(value)
    if name == "metric":
        names = value if isinstance(value, list | tuple) else str(value).split(",")
        return ",".join(str(part).strip() for part in names)
    if name not in SEVERAL:
        return value
    return tuple(map(str_of, value)) if isinstance(value, list | tuple | set) else (value,)


def str_of(value: Any) -> Any:
    """A path as text."""
    return str(value) if isinstance(value, PathLike) else value


def recipe_of(given: dict[str, Any], workers: int = 1) -> Recipe:
    """Fill in what was not given: the built-in encoder and pretrained models need different rates and threads.

    Workers share the cores.

    Raises:
        UserError: A value is not allowed.
    """
    if given.get("model", TINY) == TINY:
        return checked(Recipe, given)
    return checked(Recipe, PRETRAINED | {"threads": max(1, cores() // workers)} | given)


def data_of(given: dict[str, Any]) -> Data:
    """The requested data; the built-in task by default.

    Raises:
        UserError: Arguments exclude each other, or one needs another.
    """
    sources = [name for name in ("task", "data", "train_file") if name in given]
    if len(sources) > 1:
        raise UserError(f"{arg(sources[0])} and {arg(sources[1])} exclude each other; give one")
    if not {"train_file", "data"} & given.keys() and {"validation_file", "test_file"} & given.keys():
        pair = f"{arg('validation_file')} and {arg('test_file')}"
        raise UserError(f"{pair} need {arg('train_file')} or {arg('data')}")
    values = {name: absolute(value) if name in PATHS else value for name, value in given.items()}
    return checked(Data, values if sources else values | {"task": "reviews"})


def refuse_missing(data: Data, model: str) -> None:
    """Refuse files and folders that do not exist.

    Raises:
        UserError: A file or folder does not exist.
    """
    for file in (data.train_file, data.validation_file, data.test_file):
        if file is not None and not Path(file).expanduser().exists():
            raise UserError(f"{file}: there is no such file")
    for name, value in (("data", data.data), ("model", model)):
        path_like = value is not None and (value.startswith((".", "/", "~")) or value.count("/") > 1)
        if value is not None and path_like and not Path(value).expanduser().exists():
            raise UserError(f"{arg(name, value)}: there is no such folder")


def absolute(value: str) -> str:
    """The absolute path of a file or folder on this disk, so that best.yaml finds it from everywhere; a hub id as it is."""
    path = Path(value).expanduser()
    return str(path.resolve()) if path.exists() else value
