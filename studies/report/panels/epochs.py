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
from studies.results.folded import runs_of
from studies.results.summary import Summary
from studies.results.trials import numbered
from studies.running.foreign import RUNS, measured

PART = "history"
CAPTION = "The metric over the epochs, one thin line for each trial; the bold black line is clean training."
OF_RUNS = (
    "What a trial is worth over its first runs (each fold, then each further seed), one thin line for each trial: the steps "
    "are whole runs, not epochs. At each step all lines are about the same folds and seeds, and they end at the value of "
    "the trial; the bold black line is clean training."
)


def caption(summary: Summary) -> str:
    """What the figure shows: epochs, or runs where a trial has several."""
    return OF_RUNS if runs_of(summary) > 1 else CAPTION


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
    numbers, values = zip(*clean_line(summary), strict=True)
    line = {"color": INK, "width": 3}
    figure.add_trace(go.Scatter(x=numbers, y=values, mode="lines+markers", line=line, name=baseline_name(summary)))
    runs = runs_of(summary)
    title = "runs" if runs > 1 else "epoch" if summary.per == 1 else "epochs of training"
    figure.update_xaxes(title_text=title, dtick=max(1, (runs if runs > 1 else len(summary.clean_epochs)) // 10))
    low, high = value_range(summary)
    reached = [*values, low, high]
    ends = [min(reached), high] if summary.maximize else [low, max(reached)]
    if runs > 1:  # the first folds may be harder or easier than all
        seen = [*reached, *(summary.best.intermediate_values.values() if summary.best is not None else ())]
        ends = [min(seen), max(seen)]
    figure.update_yaxes(title_text=metric, range=ends)
    return styled(figure, f"Training curves ({metric})" if runs == 1 else f"Value over the runs ({metric})")


def clean_line(summary: Summary) -> list[tuple[float, float]]:
    """Clean training: what is drawn across, and its value there."""
    if runs_of(summary) > 1:
        runs = [(number, run["together"]) for number, run in enumerate(summary.attrs[RUNS], 1)]
        return [(number, value) for number, value in runs if value is not None]
    return [(numbered(epoch.number, summary.per), epoch.metrics[summary.metric]) for epoch in summary.baseline]


def across(step: int, summary: Summary) -> float:
    """Where a step of a trial is drawn: at its epoch, or at the number of runs."""
    return step + 1 if runs_of(summary) > 1 else numbered(step, summary.per)


def finding(summary: Summary) -> str:
    """How clean training went from its first to its last epoch, or run."""
    if runs_of(summary) > 1:
        one, *_, all_ = [summary.shown(value) for _, value in clean_line(summary)]
        return f"Clean training is worth {one} on its first run alone and {all_} over all {runs_of(summary)}."
    first, last = summary.baseline[0], summary.baseline[-1]
    shown = [summary.shown(epoch.metrics[summary.metric]) for epoch in (first, last)]
    began = "its first epoch" if summary.per == 1 else words(first.number, summary.per)
    return f"Clean training goes from {shown[0]} after {began} to {shown[1]} after {words(last.number, summary.per)}."


def curves(trials: list[FrozenTrial], name: str, color: str, width: float, summary: Summary) -> go.Scatter:
    """Lines of several trials as one trace, with gaps between them."""
    gap, what = (math.nan, math.nan), "epoch" if runs_of(summary) == 1 else "runs"
    steps = [
        (t.number, *step)
        for t in trials
        for step in [*((across(n, summary), value) for n, value in sorted(t.intermediate_values.items())), gap]
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
        hovertemplate=f"trial %{{customdata}}, {what} %{{x}}: %{{y:.{summary.places}f}}<extra></extra>",
    )
