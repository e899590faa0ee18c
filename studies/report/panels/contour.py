"""The value over two settings."""

import numpy as np
import plotly.graph_objects as go
from optuna.visualization import plot_contour

from finetune.words import listed, short
from studies.report.drawing import (
    INK,
    SCALE,
    plain,
    styled,
)
from studies.report.panels.axes import axis, chosen, harmless, varied
from studies.results.summary import Summary

PART = "act"
CAPTION = (
    "Complete trials (dots) over the two settings that matter most. The shades between them are interpolated, and the bar "
    "says what they mean; far from any dot they are a guess. Trials that collapsed count as the worst value shown."
)


def draw(summary: Summary) -> go.Figure | None:
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
    figure.update_traces(colorscale=SCALE, reversescale=not summary.maximize, selector={"type": "contour"})
    bar = {"title": f"{metric}<br>(clean {summary.shown(summary.clean)})"}
    figure.update_traces(colorbar=bar, line={"width": 0.5, "color": "rgba(0,0,0,0.4)"}, selector={"type": "contour"})
    return styled(figure, f"{plain(first)} and {plain(second)} together ({metric})", 480)


def finding(summary: Summary) -> str:
    """Where the best trial is."""
    names, best = sorted(varied(summary)[:2], key=plain), summary.best
    at = "" if best is None else "; the best is at " + listed([f"{name} {short(best.params[name], 3)}" for name in names])
    return f"{len(chosen(summary))} complete trials over {listed(names)}{at}."
