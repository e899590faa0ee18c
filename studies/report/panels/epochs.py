"""The metric after each epoch."""

import math

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

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
from studies.running.foreign import measured

PART = "history"
CAPTION = "The metric after each epoch, one thin line for each trial; the bold black line is clean training."


def draw(summary: Summary) -> go.Figure | None:
    """The metric after each epoch, one line for each trial."""
    groups = {kind: [t for t in trials if t.intermediate_values and measured(t)] for kind, trials in kinds(summary).items()}
    if not any(groups.values()):
        return None
    figure, metric = go.Figure(), plain(summary.metric)
    for kind, trials in groups.items():
        if trials:
            faded = 0.35 if kind in ("pruned", "failed") else 0.55
            figure.add_trace(curves(trials, kind, LOOKS[kind]["color"], 1, summary.places).update(opacity=faded))
    if summary.best is not None and summary.best.intermediate_values:
        figure.add_trace(curves([summary.best], f"best, trial {summary.best.number}", BEST, 2.5, summary.places))
    numbers, values = zip(*((epoch.number, epoch.metrics[summary.metric]) for epoch in summary.baseline), strict=True)
    line = {"color": INK, "width": 3}
    figure.add_trace(go.Scatter(x=numbers, y=values, mode="lines+markers", line=line, name=baseline_name(summary)))
    figure.update_xaxes(title_text="epoch", dtick=max(1, len(numbers) // 10))
    low, high = value_range(summary)
    reached = [*values, low, high]
    figure.update_yaxes(title_text=metric, range=[min(reached), high] if summary.maximize else [low, max(reached)])
    return styled(figure, f"Training curves ({metric})")


def finding(summary: Summary) -> str:
    """How clean training went from its first to its last epoch."""
    first, last = summary.baseline[0], summary.baseline[-1]
    shown = [summary.shown(epoch.metrics[summary.metric]) for epoch in (first, last)]
    return f"Clean training goes from {shown[0]} after its first epoch to {shown[1]} after epoch {last.number + 1}."


def curves(trials: list[FrozenTrial], name: str, color: str, width: float, places: int) -> go.Scatter:
    """Lines of several trials as one trace, with gaps between them."""
    gap = (math.nan, math.nan)
    steps = [(t.number, *step) for t in trials for step in [*sorted(t.intermediate_values.items()), gap]]
    numbers, x, y = zip(*steps, strict=True)
    return go.Scatter(
        x=np.array(x, np.float32),
        y=np.array(y, np.float32),
        customdata=np.array(numbers),
        name=name,
        mode="lines+markers",
        line={"color": color, "width": width},
        marker={"size": 4},
        hovertemplate=f"trial %{{customdata}}, epoch %{{x}}: %{{y:.{places}f}}<extra></extra>",
    )
