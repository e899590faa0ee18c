"""Trials as lines through their settings."""

import plotly.graph_objects as go
from optuna.distributions import CategoricalDistribution
from optuna.visualization import plot_parallel_coordinate

from finetune.words import counted, listed, short
from studies.report.drawing import (
    INK,
    NARROW,
    PAPER,
    SCALE,
    baseline_name,
    plain,
    styled,
)
from studies.report.panels.axes import chosen, harmless, varied
from studies.report.scale import inside
from studies.results.summary import Summary
from studies.results.trials import complete, value_of

PART = "act"
# Trials whose settings are put in words.
BEST = 5
CAPTION = (
    "Each line is a complete trial that crosses every setting; the good values of a setting are where strong lines meet "
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
    figure.update_annotations(bgcolor=PAPER, opacity=0.85)
    figure.data[-1].marker.update(colorscale=SCALE, reversescale=not summary.maximize)
    for line in figure.data[:-1]:
        line.line.color = level(line.y[0] if summary.maximize else 1 - line.y[0])
    values = [inside(value_of(trial) or 0.0, summary) for trial in trials]
    at = (summary.clean - min(values)) / ((max(values) - min(values)) or 1.0)
    if 0 <= at <= 1:
        line = {"dash": "dash", "width": 2, "color": INK}
        mark = go.Scatter(x=[-0.08, 0.08], y=[at, at], mode="lines", line=line, name=baseline_name(summary))
        figure.add_trace(mark.update(hoverinfo="name"))
    narrow = {"xaxis.tickfont.size": 11, "xaxis.ticklabeloverflow": "allow", "margin": NARROW["margin"] | {"r": 34}}
    return styled(figure, "Complete trials through their settings", 440, 84 * (len(names) + 1), narrow)


def level(good: float) -> str:
    """The colour of a line from bad, 0, to good, 1."""
    return str(SCALE[round(min(max(good, 0.0), 1.0) * (len(SCALE) - 1))][1])


def finding(summary: Summary) -> str:
    """Where the best trials are, in each setting of numbers."""
    names = [name for name in varied(summary) if not isinstance(summary.space[name], CategoricalDistribution)]
    ranked = sorted(complete(summary), key=lambda t: value_of(t) or 0.0, reverse=summary.maximize)
    top = [trial for trial in ranked if not summary.foreign(trial)][:BEST]
    spans = [(name, [float(trial.params[name]) for trial in top]) for name in names]
    words = [f"{name} {short(min(values), 3)} to {short(max(values), 3)}" for name, values in spans if values]
    return f"The best {counted(len(top), 'trial')}: {listed(words)}." if words else f"{listed(varied(summary))} in lines."
