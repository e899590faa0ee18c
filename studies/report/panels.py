"""Figures with settings on their axes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial
from optuna.visualization import plot_contour, plot_parallel_coordinate
from plotly.subplots import make_subplots

from studies.report.drawing import INK, add_baseline, baseline_name, kinds, log_ticks, marks, plain, styled, value_axis
from studies.results.summary import Summary
from studies.results.trials import complete, value_of
from studies.running.foreign import usable

# Optuna's contour holds a cell for each pair of distinct values: 200 trials are 40,000 cells.
MOST = 200
FEW = 12


def varied(summary: Summary) -> list[str]:
    """Settings that can differ between trials, the most important first."""
    ranked = [row.name for row in summary.importances]
    return ranked + [name for name, dist in summary.space.items() if not dist.single() and name not in ranked]


def axis(distribution: BaseDistribution) -> dict[str, Any]:
    """An axis over the whole range of a setting, with ticks that can be read."""
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
    """Where a trial stands on the axis of a setting."""
    value = trial.params[name]
    return plain(value) if isinstance(distribution, CategoricalDistribution) else value


def slices(summary: Summary) -> go.Figure | None:
    """The value against each setting."""
    names, groups = varied(summary), kinds(summary)
    if not names or not groups:
        return None
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = math.ceil(len(names) / columns)
    cells = range(rows * columns)
    specs: list[dict[str, Any] | None] = [{} if cell < len(names) else None for cell in cells]
    figure = make_subplots(
        rows,
        columns,
        specs=[specs[cell : cell + columns] for cell in cells[::columns]],
        shared_yaxes=True,
        vertical_spacing=0.22 / rows,
    )
    for index, name in enumerate(names):
        place, dist = {"row": index // columns + 1, "col": index % columns + 1}, summary.space[name]
        for kind, trials in groups.items():
            having = [trial for trial in trials if name in trial.params and usable(dist, trial.params[name])]
            trace = marks(kind, [position(t, name, dist) for t in having], having, summary)
            figure.add_trace(trace.update(showlegend=index == 0, hovertemplate=hover(kind, name, dist, summary)), **place)
        figure.update_xaxes(title_text=plain(name), **axis(dist), **place)
        add_baseline(figure, summary, label=index == 0, **place)
    figure.update_yaxes(range=value_axis(summary)["range"])
    figure.update_yaxes(title_text=plain(summary.metric), col=1)
    return styled(figure, f"Each setting by itself ({plain(summary.metric)})", 130 + 290 * rows, 260 * columns)


def hover(kind: str, name: str, distribution: BaseDistribution, summary: Summary) -> str:
    """What the pointer shows; the height of a pruned or failed point is not always its value."""
    digits = ":.3g" if isinstance(distribution, FloatDistribution) else ""
    value = f"<br>{plain(summary.metric)} %{{y:.{summary.places}f}}" if kind in ("explore", "search", "taken over") else ""
    return f"trial %{{customdata}}, {kind}{value}<br>{plain(name)} %{{x{digits}}}<extra></extra>"


def contour(summary: Summary) -> go.Figure | None:
    """The value over the two most important settings."""
    names = varied(summary)[:2]
    trials = chosen(summary)
    if len(names) < 2 or any(len({trial.params[name] for trial in trials}) < 2 for name in names):
        return None
    metric, (first, second) = plain(summary.metric), sorted(names, key=plain)
    figure = plot_contour(harmless(summary, names, trials))
    figure.data[0].z = figure.data[0].z.astype(np.float32)
    figure.update_xaxes(**axis(summary.space[first]), title_text=plain(first))
    figure.update_yaxes(**axis(summary.space[second]), title_text=plain(second))
    dots = {"size": 5, "color": INK, "line": {"width": 1, "color": "white"}}
    figure.update_traces(marker=dots, hoverinfo="x+y", selector={"type": "scatter"})
    bar = {"title": f"{metric}<br>(clean {summary.shown(summary.clean)})"}
    figure.update_traces(colorbar=bar, line={"width": 0.5, "color": "rgba(0,0,0,0.4)"}, selector={"type": "contour"})
    return styled(figure, f"{plain(first)} and {plain(second)} together ({metric})", 480)


def parallel(summary: Summary) -> go.Figure | None:
    """Complete trials as lines through their settings."""
    names = varied(summary)
    trials = chosen(summary)
    if not names or len(trials) < 2:
        return None
    figure = plot_parallel_coordinate(harmless(summary, names, trials), target_name=plain(summary.metric))
    *lines, scale = figure.data
    figure.data = (*sorted(lines, key=lambda line: line.y[0], reverse=not summary.maximize), scale)  # the best on top
    figure.update_xaxes(ticktext=[plain(summary.metric), *sorted(map(plain, names))])  # Optuna's are cut, entities too
    figure.update_annotations(bgcolor="rgba(255,255,255,0.8)")
    values = [value_of(trial) or 0.0 for trial in trials]
    at = (summary.clean - min(values)) / ((max(values) - min(values)) or 1.0)
    if 0 <= at <= 1:
        line = {"dash": "dash", "width": 2, "color": INK}
        mark = go.Scatter(x=[-0.08, 0.08], y=[at, at], mode="lines", line=line, name=baseline_name(summary))
        figure.add_trace(mark.update(hoverinfo="name"))
    return styled(figure, "Complete trials through their settings", 440, 140 * (len(names) + 1))


def chosen(summary: Summary) -> list[FrozenTrial]:
    """At most MOST complete trials of the searched space, evenly from the best to the worst."""
    trials = [trial for trial in complete(summary) if not summary.foreign(trial)]
    ranked = sorted(trials, key=lambda trial: value_of(trial) or 0.0, reverse=summary.maximize)
    return ranked[:: max(1, math.ceil(len(ranked) / MOST))]


def harmless(summary: Summary, names: Sequence[str], trials: Sequence[FrozenTrial]) -> optuna.Study:
    """A study of these trials and settings with names that can be shown, for Optuna's own figures."""
    space = {plain(name): countable(summary.space[name]) for name in names}
    study = optuna.create_study(direction="maximize" if summary.maximize else "minimize")
    for trial in trials:
        params = {plain(name): position(trial, name, summary.space[name]) for name in names}
        study.add_trial(create_trial(params=params, distributions=space, value=value_of(trial)))
    return study


def countable(distribution: BaseDistribution) -> BaseDistribution:
    """The same values; choices as text that can be shown, a few whole numbers as choices, which get whole ticks."""
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([plain(choice) for choice in distribution.choices])
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low <= FEW:
        return CategoricalDistribution(range(distribution.low, distribution.high + 1, distribution.step))
    return distribution
