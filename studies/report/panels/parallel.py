"""Trials as lines through their settings."""

import plotly.graph_objects as go
from optuna.visualization import plot_parallel_coordinate

from studies.report.drawing import (
    INK,
    baseline_name,
    plain,
    styled,
)
from studies.report.panels.axes import chosen, harmless, varied
from studies.results.summary import Summary
from studies.results.trials import value_of

CAPTION = (
    "Each line is a complete trial that crosses every setting; the good values of a setting are where dark lines meet "
    "on its axis."
)


def draw(summary: Summary) -> go.Figure | None:
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
