"""Metrics by name, each with its direction, and their values for predictions."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import KindName, View, no_task
from finetune.errors import Diverged, UserError, near
from finetune.own_name import is_own
from finetune.tasks import KINDS, kind_for, measures_for
from finetune.tasks.kind import Measure
from finetune.tasks.own_metric import KNOWN, Own, OwnFault, read_own, try_own
from finetune.tasks.task import Task
from finetune.words import some

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A metric, as ``METRICS`` lists it.

    Args:
        direction: "maximize" or "minimize".
        kinds: How to measure it, for each kind of task that has it.

    Example:
        >>> METRICS["rmse"].direction, list(METRICS["qwk"].kinds)
        ('minimize', ['classification', 'ordinal', 'regression'])
        >>> METRICS["rmse"].kinds["regression"].score(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
        1.4142135623730951
    """

    direction: Literal["maximize", "minimize"]
    kinds: Mapping[KindName, Measure]


def _by_name() -> dict[str, Metric]:
    names = dict.fromkeys(name for kind in KINDS.values() for name in kind.measures)
    found = {}
    for name in names:
        kinds = {kind.name: kind.measures[name] for kind in KINDS.values() if name in kind.measures}
        found[name] = Metric(next(iter(kinds.values())).direction, kinds)
    return found


METRICS = _by_name()
# Other views of the same rows, under which every metric can be measured too: ``robust_accuracy`` is the accuracy under an
# attack on the embeddings, ``noisy_accuracy`` that of texts with character noise.
VIEWS = get_args(View)
# No metric of predictions: how long a run takes. It may be searched beside a metric, never alone.
SECONDS = "seconds"
MOST = 2
# Scores of one label or class alone.
PARTS = ("f1",)
# A message names this many labels.
SHOWN = 4


def viewed(name: str) -> tuple[str, str]:
    """The view of a metric and its name there; the view is empty for the rows as they are.

    Example:
        >>> viewed("robust_macro_f1"), viewed("macro_f1")
        (('robust', 'macro_f1'), ('', 'macro_f1'))
    """
    view, _, plain = name.partition("_")
    return (view, plain) if view in VIEWS else ("", name)


def views_of(metric: str | None, record: Sequence[str] = (), second: str | None = None) -> tuple[str, ...]:
    """The views to measure, in their order: those to record, and those of the metrics to optimise."""
    wanted = {*record, viewed(metric or "")[0], viewed(second or "")[0]}
    return tuple(view for view in VIEWS if view in wanted)


def find_metric(name: str) -> Metric:
    """The metric of that name, in any view.

    Raises:
        UserError: There is no such metric.
    """
    if name in KNOWN:
        return Metric(KNOWN[name].direction, {})
    view, plain = viewed(name)
    if plain not in METRICS:
        if other := no_task(plain):
            raise UserError(f"{arg('metric', name)}: {other}")
        known = [f"{view}_{one}" if view else one for one in METRICS]
        swapped = "_".join(reversed(plain.split("_", 1)))  # f1_macro, as others name it
        if swapped in METRICS:
            raise UserError(f"unknown metric {name!r}; did you mean {swapped!r}?")
        raise UserError(f"unknown metric {name!r}{near(name, [*known, SECONDS])}")
    return METRICS[plain]


def direction_of(name: str) -> str:
    """The direction of a metric, or of ``seconds``: "maximize" or "minimize".

    Raises:
        UserError: There is no such metric.
    """
    return "minimize" if name == SECONDS else find_metric(name).direction


def named(asked: str) -> list[str]:
    """The one or two metrics in "accuracy" or "accuracy,seconds".

    Raises:
        UserError: There is no such metric, or these cannot be searched together.

    Example:
        >>> named("accuracy, seconds")
        ['accuracy', 'seconds']
    """
    names, where = [name.strip() for name in asked.split(",")], arg("metric", asked)
    names = [read_own(name).name if is_own(name) else name for name in names]
    if len(names) > MOST:
        more = f"the others are measured too, in other views with {arg('record', list(VIEWS))}; trials.csv has them all"
        raise UserError(f"{where}: a study searches one metric or two, not {len(names)}; {more}")
    if not all(names):
        raise UserError(
            f"{where}: a name is missing; write {arg('metric', 'accuracy')} or {arg('metric', 'accuracy,seconds')}"
        )
    if names[0] == SECONDS:
        other = names[-1] if len(names) == MOST and names[-1] != SECONDS else "accuracy"
        why = "alone, or first, it would find the attack that does least"
        raise UserError(f"{where}: {SECONDS} is a second metric ({why}); write {arg('metric', f'{other},{SECONDS}')}")
    for name in names:
        direction_of(name)
    if len(set(names)) < len(names):
        raise UserError(f"{where}: it is the same metric twice; write {arg('metric', names[0])}, or another second metric")
    return names


def metric_for(task: Task, asked: str | None = None) -> str:
    """The name of a metric to optimise: the requested one, or the task's default.

    Raises:
        UserError: The requested metric is not defined for the task.
    """
    kind, measures = kind_for(task), measures_for(task)
    name = asked or kind.usual(task.names)
    if viewed(name)[1] not in measures:
        find_metric(name)
        labels = f" with the labels {some(list(task.names), SHOWN)}" if viewed(name)[1] in KINDS[task.kind].measures else ""
        raise UserError(f"{arg('metric', name)} is not for {task.kind}{labels}; choose from {', '.join(measures)}")
    return name


def metrics_for(task: Task, asked: str | None = None) -> list[str]:
    """The one or two metrics to optimise: the requested ones, or the task's default.

    Raises:
        UserError: A requested metric is not defined for the task, or they cannot be searched together.
    """
    names = [] if asked is None else named(asked)
    try_own(task, kind_for(task))
    return [name if name == SECONDS else metric_for(task, name) for name in names or [metric_for(task)]]


def evaluate(task: Task, labels: Array, output: Array, view: str = "") -> dict[str, float]:
    """Every metric that is defined for the task, and scores of its parts, such as "rmse valence".

    In a view, the names begin with it, and there are no scores of parts.

    Args:
        task: The task, for its kind and names.
        labels: The labels, as in ``Rows``.
        output: Predictions, as ``Bench.predict`` returns them.
        view: The view that the model predicted from.

    Raises:
        Diverged: The predictions are not finite.

    Example:
        >>> from finetune.tasks.task import Rows
        >>> rows = Rows(["fine", "dull", "good"], None, np.array([1, 0, 1]))
        >>> task = Task("films", "classification", ("bad", "good"), rows, rows, rows)
        >>> logits = np.log([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
        >>> scores = evaluate(task, rows.labels, logits)
        >>> round(scores["accuracy"], 3), round(scores["log_loss"], 3)
        (0.667, 0.646)
    """
    if not np.isfinite(output).all():
        raise Diverged(f"the {view} predictions are not finite".replace("  ", " "))
    output, kind = output.astype(np.float64), kind_for(task)  # the square of a large float32 is infinite
    values = {name: measure.score(labels, output) for name, measure in measures_for(task).items()}
    if view:
        return {f"{view}_{name}": value for name, value in values.items()}
    return values | kind.details(task.names, labels, output)


def part_of(name: str) -> str:
    """The part that a score is about: "valence" for "rmse valence"; empty for a score of all parts and for other numbers."""
    metric, _, part = name.partition(" ")
    return part if metric in METRICS or metric in PARTS else ""


def best_of(name: str, values: Sequence[float]) -> float:
    """The best value of a metric; the first value of a number that is no metric."""
    if name not in METRICS:
        return values[0]
    return max(values) if METRICS[name].direction == "maximize" else min(values)


def constant_guess(task: Task, views: Sequence[str] = ()) -> dict[str, float]:
    """Every metric on the validation rows, for the best prediction without reading a text.

    The agreement or correlation of a constant is 0. A guess is the same in every view.
    """
    kind = kind_for(task)
    found = [evaluate(replace(task, own=()), task.validation.labels, guess) for guess in kind.guesses(task)]
    values = {name: best_of(name, [each[name] for each in found]) for name in found[0]}
    values |= {name: 0.0 for name, measure in kind.measures.items() if measure.agreement}
    values |= {own.name: _own_guess(task, own) for own in task.own}
    return values | {f"{view}_{name}": values[name] for view in views for name in measures_for(task)}


def _own_guess(task: Task, own: Own) -> float:
    """The user's metric of the constant guess; 0 if it is not defined for equal predictions, as an agreement is."""
    kind = kind_for(task)
    try:
        with warnings.catch_warnings(action="ignore"):
            return own.measure(kind, task.names).score(task.validation.labels, kind.guess(task))
    except OwnFault:
        return 0.0
