"""A metric of the user's own: a function in a file, called with labels and predictions as ``Kind.plain`` gives them.

The file is run, as ``python my_file.py`` would, because the user names it. Nothing is unpickled.
"""

import hashlib
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast, get_args

import numpy as np

from finetune.arguments import Line, arg
from finetune.config import View
from finetune.errors import UserError, first_line, near
from finetune.own_name import FORM, short_name
from finetune.tasks.kind import Array, Kind, Measure
from finetune.tasks.task import Task

Direction = Literal["maximize", "minimize"]
DIRECTIONS: tuple[Direction, ...] = ("maximize", "minimize")
# What a study keeps: fingerprints of files by the name of the metric.
SOURCE = "metric source"
# What a function may ask for beside labels and predictions.
MORE = ("names", "thresholds")
# Rows on which a function is tried before anything is trained.
TRIED = 64
# What authors forget of predictions.
HINTS = {
    "classification": "; these are probabilities: predictions.argmax(1) has the classes",
    "multilabel": "; these are probabilities: predictions > 0.5 has the labels",
}
# Names of parameters in the order that nobody means.
SWAPPED = (
    re.compile(r".*pred.*|.*(^|_)output.*|.*hat"),
    re.compile(r".*label.*|.*true.*|.*target.*|.*gold.*|.*answer.*|.*reference.*"),
)


class OwnFault(UserError, ValueError):
    """The user's function failed, or gave something that is not a number."""


@dataclass(frozen=True)
class Own:
    """A function of the user.

    Args:
        file: The absolute path of its file.
        function: Its name there.
        direction: "maximize" or "minimize".
        source: 16 hex digits over the file.
        call: The function itself.
        said: Where the direction comes from, to be printed; empty if the user gave it.
    """

    file: Path
    function: str
    direction: Direction
    source: str
    call: Callable[..., Any] = field(compare=False)
    said: str = ""

    @property
    def name(self) -> str:
        """The name of its values."""
        return f"{self.file.name}:{self.function}"

    @property
    def reference(self) -> str:
        """What finds it from everywhere."""
        return f"{self.file}:{self.function}:{self.direction}"

    def measure(self, kind: Kind, names: tuple[str, ...]) -> Measure:
        """How it scores predictions of this kind of task."""
        wanted = wanted_by(self.call)

        def score(labels: Array, output: Array) -> float:
            more = kind.more(names, output)
            if lacking := [name for name in wanted if name not in more]:
                raise OwnFault(f"metric {self.name} asks for {lacking[0]}, which {kind.name} does not have")
            return self._number(*kind.plain(labels, output), {name: more[name] for name in wanted}, kind.name)

        return Measure(score, self.direction)

    def _number(self, labels: Array, predictions: Array, more: Mapping[str, Any], kind: str) -> float:
        try:
            with beside(self.file.parent):
                # A function may sort or round in place what it is given, and labels are used again.
                value = self.call(labels.copy(), predictions.copy(), **more)
        except (Exception, SystemExit) as error:  # the function is the user's
            where = f"labels {labels.shape} and predictions {predictions.shape}{HINTS.get(kind, '')}"
            raise OwnFault(f"metric {self.name} raised {type(error).__name__}: {first_line(error)}, for {where}") from None
        try:
            if isinstance(value, str | bool | None) or np.ndim(value) > 0:
                raise TypeError
            found = float(value)
        except (TypeError, ValueError):
            what = " ".join(str(value).split())[:40]
            raise OwnFault(f"metric {self.name} gave {what!r}, not a number") from None
        if not math.isfinite(found):
            raise OwnFault(f"metric {self.name} gave {found}, which is not finite")
        return found


def wanted_by(call: Callable[..., Any]) -> list[str]:
    """What a function asks for beside labels and predictions."""
    try:
        return [name for name in list(inspect.signature(call).parameters)[2:] if name in MORE]
    except (TypeError, ValueError):
        return []


# The functions that this process has read, by the names of their values.
KNOWN: dict[str, Own] = {}


def read_own(asked: str) -> Own:
    """Read a function; it is then known by the name of its values.

    Args:
        asked: ``my_file.py:function`` or ``my_file.py:function:minimize``.

    Raises:
        UserError: File or function do not exist, the file cannot be run, or the function takes something else.
    """
    where, found = arg("metric", asked), FORM.fullmatch(asked)
    if found is None:
        raise UserError(f"{where}: write my_file.py:function, or my_file.py:function:minimize if less is better")
    file = Path(found["file"]).expanduser()
    if not file.is_file():
        raise UserError(f"{where}: there is no file {found['file']}")
    if file.name.split("_")[0] in get_args(View):
        raise UserError(f"{where}: names that begin with {file.name.split('_')[0]}_ are metrics in a view; rename the file")
    source = file.read_bytes()
    module = run(file.resolve(), source, where)
    call = getattr(module, found["function"], None)
    if not callable(call):
        known = [
            name for name, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise UserError(f"{where}: {file.name} has no function {found['function']!r}{near(found['function'], known)}")
    refuse_signature(call, where)
    own = getattr(call, "direction", None)
    if own is not None and own not in DIRECTIONS:
        raise UserError(f"{where}: its direction is {own!r}; write {found['function']}.direction = 'minimize' or 'maximize'")
    direction = cast(Direction, found["direction"] or own or "maximize")
    said = ""
    if not (found["direction"] or own):
        other = f"{found['file']}:{found['function']}:minimize"
        said = (
            f"{where}: more is better; {arg('metric', other)} or {found['function']}.direction = 'minimize' turns it round"
        )
    digest = hashlib.sha256(source).hexdigest()[:16]
    read = Own(file.resolve(), found["function"], direction, digest, call, said)
    KNOWN[read.name] = read
    return read


def run(file: Path, source: bytes, where: str) -> ModuleType:
    """Run a file as a module; what it imports may lie beside it.

    Raises:
        UserError: It raised an error.
    """
    module = ModuleType(f"own metric {file.name}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    with beside(file.parent):
        try:
            exec(compile(source, str(file), "exec"), vars(module))
        except (Exception, SystemExit) as error:
            raise UserError(f"{where}: {file.name} cannot be run: {type(error).__name__}: {first_line(error)}") from None
    return module


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Modules of a folder can be imported, and leave no compiled files there."""
    path, written = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, written


def refuse_signature(call: Callable[..., Any], where: str) -> None:
    """Refuse a function that does not take labels and predictions.

    Raises:
        UserError: It takes fewer, or needs more.
    """
    try:
        taken = inspect.signature(call)
    except (TypeError, ValueError):  # a built-in function that does not say what it takes
        return
    try:
        taken.bind(None, None, **dict.fromkeys(wanted_by(call)))
    except TypeError:
        what = f"it takes {taken}" if taken.parameters else "it takes nothing"
        ways = f"it is called with labels and predictions, and may name {' or '.join(MORE)}"
        raise UserError(f"{where}: {what}; {ways}") from None
    names = list(taken.parameters)[: len(SWAPPED)]
    if len(names) == len(SWAPPED) and all(form.fullmatch(name.lower()) for form, name in zip(SWAPPED, names, strict=True)):
        raise UserError(f"{where}: it takes {taken}, but it is called with labels first, then predictions; turn them round")


def try_own(task: Task, kind: Kind) -> None:
    """Score a few rows with the functions of a task, before anything is trained.

    Raises:
        UserError: A function fails, gives no number, or gives another one for the same rows.
    """
    rows = task.validation.labels[:TRIED]
    guess = np.asarray(kind.guess(task)[:TRIED], np.float64)
    if not kind.by_word:  # tags are numbers already, all others vary
        guess = guess + np.random.default_rng(0).normal(scale=guess.std() or 1.0, size=guess.shape)
    for own in task.own:
        try:
            first, second = (own.measure(kind, task.names).score(rows, guess) for _ in range(2))
        except OwnFault as error:
            raise UserError(f"{arg('metric', own.name)}, tried on {len(rows)} rows: {error}") from None
        if first != second:
            what = f"it gave {first:.6g} and {second:.6g} for the same {len(rows)} rows"
            raise UserError(
                f"{arg('metric', own.name)}: {what}; trials cannot be compared so: give its random numbers a seed"
            )


def own_of(metric: str | None) -> tuple[Own, ...]:
    """The functions among one or two metrics that are known."""
    names = map(short_name, (metric or "").split(","))
    return tuple(KNOWN[name] for name in names if name in KNOWN)


def notes_of(functions: tuple[Own, ...]) -> tuple[Line, ...]:
    """Lines about directions that nobody gave."""
    return tuple(Line(own.said) for own in functions if own.said)


def record_of(*metrics: str | None) -> dict[str, Any]:
    """What a study keeps about functions: the fingerprints of their files, and where they are."""
    found = [own for metric in metrics for own in own_of(metric)]
    if not found:
        return {}
    return {
        SOURCE: {own.name: own.source for own in found},
        "metric file": {own.name: own.reference for own in found},
    }


def read_again(about: Mapping[str, Any], who: str) -> None:
    """Read the functions of a study that was begun earlier.

    Args:
        about: The study's identity.
        who: The study, for messages.

    Raises:
        UserError: A file is gone or has changed.
    """
    for name, reference in about.get("metric file", {}).items():
        own = read_own(reference)
        if own.source != about[SOURCE][name]:
            raise UserError(f"{who}: {changed(own.file.name)}; undo the change, or begin another study")


def changed(file: str) -> str:
    """What to say about a file that is not as it was."""
    return f"{file} has changed since it began, and its metric is a function in that file"
