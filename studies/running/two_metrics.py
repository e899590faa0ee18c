"""Studies with two metrics. Everything but the front reads the first, as if it were the only one."""

import copy
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from finetune.tasks.metrics import SECONDS
from finetune.training.epoch import Epoch, value_of
from studies.planning.directions import SECOND
from studies.running.foreign import CURVES, RUNS, readable

# What an objective returns: a value, or one for each metric.
Value = float | tuple[float, ...]


def reached(history: Sequence[Epoch], metric: str) -> float:
    """The value of a run in a metric; for ``seconds``, the time of all epochs, shared clean ones included."""
    if metric == SECONDS:
        return round(sum(epoch.seconds for epoch in history), 3)
    return value_of(history, metric)


def read_by(trial: FrozenTrial, about: dict[str, Any]) -> FrozenTrial:
    """A trial as everything but the front reads it: with one value, and that metric after each evaluation.

    Optuna gives a trial with two objectives no single value, and lets it report none; what it measured in each epoch is
    among its user attributes, or what several runs are worth after each. A trial of a study with one metric is returned as
    it is.

    Args:
        trial: A trial as it is stored.
        about: The identity of its study.
    """
    if about.get(SECOND) is None:
        return trial
    seen = copy.copy(trial)
    seen.values = None if trial.values is None else trial.values[:1]
    attrs, metric = readable(trial.user_attrs), about["metric"]
    curve: list[dict[str, float]] = attrs.get(CURVES, [])
    if RUNS in attrs:
        curve = [{} if run["together"] is None else {metric: run["together"]} for run in attrs[RUNS]]
    seen.intermediate_values = {number: row[metric] for number, row in enumerate(curve) if metric in row}
    return seen
