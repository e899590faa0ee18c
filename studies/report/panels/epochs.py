"""The metric over the epochs."""

import math

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finetune.training.epoch import words
from studies.report.drawing import (
    BEST,
    INK,
    LOOKS,
    baseline_name,
    kinds,
    plain,
    styled,
)
from studies.report.scale import value_range
from studies.results.summary import Summary
from studies.results.trials import numbered
from studies.running.foreign import measured

PART = "history"
CAPTION = "The metric over the epochs, one thin line for each trial; the bold black line is clean training."


def draw(summary: Summary) -> go.Figure | None:
    """The metric after each evaluation, one line for each trial."""
    groups = {kind: [t for t in trials if t.intermediate_values and measured(t)] for kind, trials in kinds(summary).items()}
    if not any(groups.values()):
        return None
    figure, metric = go.Figure(), plain(summary.metric)
    for kind, trials in groups.items():
        if trials:
            faded = 0.35 if kind in ("pruned", "failed") else 0.55
            figure.add_trace(curves(trials, kind, LOOKS[kind]["color"], 1, summary).update(opacity=faded))
    if summary.best is not None and summary.best.intermediate_values:
        figure.add_trace(curves([summary.best], f"best, trial {summary.best.number}", BEST, 2.5, summary))
    known = ((numbered(epoch.number, summary.per), epoch.metrics[summary.metric]) for epoch in summary.baseline)
    numbers, values = zip(*known, strict=True)
    line = {"color": INK, "width": 3}
    figure.add_trace(go.Scatter(x=numbers, y=values, mode="lines+markers", line=line, name=baseline_name(summary)))
    title = "epoch" if summary.per == 1 else "epochs of training"
    figure.update_xaxes(title_text=title, dtick=max(1, len(summary.clean_epochs) // 10))
    low, high = value_range(summary)
    reached = [*values, low, high]
    figure.update_yaxes(title_text=metric, range=[min(reached), high] if summary.maximize else [low, max(reached)])
    return styled(figure, f"Training curves ({metric})")


def finding(summary: Summary) -> str:
    """How clean training went from its first to its last epoch."""
    first, last = summary.baseline[0], summary.baseline[-1]
    shown = [summary.shown(epoch.metrics[summary.metric]) for epoch in (first, last)]
    began = "its first epoch" if summary.per == 1 else words(first.number, summary.per)
    return f"Clean training goes from {shown[0]} after {began} to {shown[1]} after {words(last.number, summary.per)}."


def curves(trials: list[FrozenTrial], name: str, color: str, width: float, summary: Summary) -> go.Scatter:
    """Lines of several trials as one trace, with gaps between them."""
    gap = (math.nan, math.nan)
    steps = [
        (t.number, *step)
        for t in trials
        for step in [*((numbered(n, summary.per), value) for n, value in sorted(t.intermediate_values.items())), gap]
    ]
    numbers, x, y = zip(*steps, strict=True)
    return go.Scatter(
        x=np.array(x, np.float32),
        y=np.array(y, np.float32),
        customdata=np.array(numbers),
        name=name,
        mode="lines+markers",
        line={"color": color, "width": width},
        marker={"size": 4},
        hovertemplate=f"trial %{{customdata}}, epoch %{{x}}: %{{y:.{summary.places}f}}<extra></extra>",
    )
