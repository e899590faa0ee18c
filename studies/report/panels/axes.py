"""Settings on axes, and trials for Optuna's own figures."""

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from studies.report.drawing import (
    log_ticks,
    plain,
)
from studies.report.scale import ends
from studies.results.summary import Summary
from studies.results.trials import complete, value_of

# Optuna's contour has a cell for each pair of distinct values: 120 trials give 14,400 cells.
MOST = 120
FEW = 12


def varied(summary: Summary) -> list[str]:
    """Settings that can differ between trials, the most important first."""
    ranked = [name for row in summary.importances for name in row.settings if name in summary.space]
    ranked = list(dict.fromkeys(ranked))
    return ranked + [name for name, dist in summary.space.items() if not dist.single() and name not in ranked]


def axis(distribution: BaseDistribution) -> dict[str, Any]:
    """An axis over the complete range of a setting, with readable ticks."""
    if isinstance(distribution, CategoricalDistribution):
        labels = [plain(choice) for choice in distribution.choices]
        return {"type": "category", "categoryarray": labels, "range": [-0.5, len(labels) - 0.5]}
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        ticks = log_ticks(low, high)
        start, end = math.log10(low), math.log10(high)
        shown: dict[str, Any] = {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:.3g}" for tick in ticks]}
    else:
        start, end = low, high
        shown = {"tick0": low, "dtick": math.ceil((high - low) / 8)} if isinstance(distribution, IntDistribution) else {}
    return shown | {"range": [start - 0.05 * (end - start), end + 0.05 * (end - start)]}


def position(trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
    """The position of a trial on the axis of a setting."""
    value = trial.params[name]
    return plain(value) if isinstance(distribution, CategoricalDistribution) else value


def chosen(summary: Summary) -> list[FrozenTrial]:
    """At most MOST complete trials of the searched space, evenly chosen from the best to the worst."""
    trials = [trial for trial in complete(summary) if not summary.foreign(trial)]
    ranked = sorted(trials, key=lambda trial: value_of(trial) or 0.0, reverse=summary.maximize)
    return ranked[:: max(1, math.ceil(len(ranked) / MOST))]


def harmless(summary: Summary, names: Sequence[str], trials: Sequence[FrozenTrial]) -> optuna.Study:
    """A study of these trials and settings, with names that are safe to show, for Optuna's own figures.

    Trials that collapsed have the value at the worse end of what is drawn.
    """
    space = {plain(name): countable(summary.space[name]) for name in names}
    low, high = ends(summary)
    study = optuna.create_study(direction="maximize" if summary.maximize else "minimize")
    for trial in trials:
        params = {plain(name): position(trial, name, summary.space[name]) for name in names}
        value = min(max(value_of(trial) or 0.0, low), high)
        study.add_trial(create_trial(params=params, distributions=space, value=value))
    return study


def countable(distribution: BaseDistribution) -> BaseDistribution:
    """The distribution for a figure: choices as safe text, and a few whole numbers as choices, which get whole ticks."""
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([plain(choice) for choice in distribution.choices])
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low <= FEW:
        return CategoricalDistribution(range(distribution.low, distribution.high + 1, distribution.step))
    return distribution
