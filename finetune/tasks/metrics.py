"""Metrics by name, each with its direction, and their values for predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.config import KindName, View
from finetune.errors import Diverged, UserError, near
from finetune.tasks import KINDS
from finetune.tasks.kind import Measure
from finetune.tasks.task import Task

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A metric, as ``METRICS`` lists it.

    Args:
        direction: "maximize" or "minimize".
        kinds: How to measure it, for each kind of task that has it.

    Example:
        >>> METRICS["rmse"].direction, list(METRICS["qwk"].kinds)
        ('minimize', ['classification', 'regression'])
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


def viewed(name: str) -> tuple[str, str]:
    """The view of a metric and its name there; the view is empty for the rows as they are.

    Example:
        >>> viewed("robust_macro_f1"), viewed("macro_f1")
        (('robust', 'macro_f1'), ('', 'macro_f1'))
    """
    view, _, plain = name.partition("_")
    return (view, plain) if view in VIEWS else ("", name)


def views_of(metric: str | None, record: Sequence[str] = ()) -> tuple[str, ...]:
    """The views to measure, in their order: those to record, and that of the metric to optimise."""
    wanted = {*record, viewed(metric or "")[0]}
    return tuple(view for view in VIEWS if view in wanted)


def find_metric(name: str) -> Metric:
    """The metric of that name, in any view.

    Raises:
        UserError: There is no such metric.
    """
    if "," in name:
        others = f"the others are measured too, in other views with {arg('record', list(VIEWS))}; trials.csv has them all"
        raise UserError(f"{arg('metric', name)}: a study searches one metric; {others}")
    view, plain = viewed(name)
    if plain not in METRICS:
        known = [f"{view}_{one}" if view else one for one in METRICS]
        raise UserError(f"unknown metric {name!r}{near(name, known)}")
    return METRICS[plain]


def metric_for(task: Task, asked: str | None = None) -> str:
    """The name of the metric to optimise: the requested one, or the task's default.

    Raises:
        UserError: The requested metric is not defined for the task.
    """
    kind = KINDS[task.kind]
    name = asked or kind.usual(task.names)
    find_metric(name)
    if viewed(name)[1] not in kind.measures:
        raise UserError(f"{arg('metric', name)} is not for {task.kind}; choose from {', '.join(kind.measures)}")
    return name


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
    output, kind = output.astype(np.float64), KINDS[task.kind]  # the square of a large float32 is infinite
    values = {name: measure.score(labels, output) for name, measure in kind.measures.items()}
    if view:
        return {f"{view}_{name}": value for name, value in values.items()}
    return values | kind.details(task.names, labels, output)


def part_of(name: str) -> str:
    """The part that a score is about: "valence" for "rmse valence"; empty for a score of all parts and for other numbers."""
    metric, _, part = name.partition(" ")
    return part if metric in METRICS else ""


def constant_guess(task: Task, views: Sequence[str] = ()) -> dict[str, float]:
    """Every metric on the validation rows, for the best prediction without reading a text.

    The agreement or correlation of a constant is 0. A guess is the same in every view.
    """
    kind = KINDS[task.kind]
    values = evaluate(task, task.validation.labels, kind.guess(task))
    values |= {name: 0.0 for name, measure in kind.measures.items() if measure.agreement}
    return values | {f"{view}_{name}": values[name] for view in views for name in kind.measures}
