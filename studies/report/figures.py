"""The figures of one study, all with the clean baseline where they show the value."""

import math
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finetune.words import short
from studies.report.drawing import (
    BEST,
    INK,
    LOOKS,
    QUIET,
    add_baseline,
    baseline_name,
    kinds,
    marks,
    number_axis,
    plain,
    styled,
    value_axis,
)
from studies.report.panels import contour, parallel, slices
from studies.results.summary import Summary
from studies.results.trials import complete, value_of
from studies.running.foreign import measured


def figures(summary: Summary) -> dict[str, go.Figure]:
    """What can be drawn of a study, by short name, in reading order; without figures that have nothing to show.

    Texts in a figure are escaped: names from data or studies are shown as they are, never taken for markup.
    """
    drawn: dict[str, Callable[[Summary], go.Figure | None]] = {
        "history": history,
        "importances": importances,
        "slices": slices,
        "contour": contour,
        "parallel": parallel,
        "epochs": epochs,
        "timeline": timeline,
    }
    return {name: figure for name, draw in drawn.items() if (figure := draw(summary)) is not None}


def history(summary: Summary) -> go.Figure | None:
    """The value of each trial, and the best so far."""
    if not summary.trials:
        return None
    figure, metric = go.Figure(), plain(summary.metric)
    for kind, trials in kinds(summary).items():
        texts = [described(trial, kind, summary) for trial in trials]
        trace = marks(kind, [trial.number for trial in trials], trials, summary)
        figure.add_trace(trace.update(hovertext=texts, hoverinfo="text"))
    done = complete(summary)
    best = list(accumulate([value_of(trial) or 0.0 for trial in done], max if summary.maximize else min))
    if best:
        line = {"color": BEST, "width": 2, "shape": "hv"}
        x, y = [*(trial.number for trial in done), summary.trials[-1].number], [*best, best[-1]]
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, name="best so far", hoverinfo="skip"))
    add_baseline(figure, summary)
    figure.update_xaxes(**number_axis(summary))
    figure.update_yaxes(**value_axis(summary))
    return styled(figure, f"Trials in the order they ran ({metric})")


def described(trial: FrozenTrial, kind: str, summary: Summary) -> str:
    """A trial for the pointer: its value, or why it has none, and its settings."""
    value = value_of(trial)
    if value is None:
        result = plain(str(trial.user_attrs.get("failure", "no finite value"))[:100])
    else:
        when = f" after epoch {trial.last_step}" if kind == "pruned" else ""
        result = f"{plain(summary.metric)} {summary.shown(value)}{when}"
    settings = [f"{plain(name)} {plain(short(setting, 3))}" for name, setting in trial.params.items()]
    return "<br>".join([f"trial {trial.number}, {kind}", result, *settings])


def importances(summary: Summary) -> go.Figure | None:
    """Shares with their intervals, and what noise reaches."""
    rows = summary.importances
    if not rows:
        return None
    names = [plain(row.name) + ("" if row.evidence else "<br><i>no evidence</i>") for row in rows]
    above, below = [max(0.0, row.high - row.share) for row in rows], [max(0.0, row.share - row.low) for row in rows]
    spread = {"type": "data", "array": above, "arrayminus": below, "thickness": 1.5, "color": INK}
    colors = [LOOKS["search"]["color"] if row.evidence else "#c8c8c8" for row in rows]
    bars = go.Bar(x=[row.share for row in rows], y=names, orientation="h", marker_color=colors, error_x=spread)
    figure = go.Figure(bars.update(name="share, 95 % interval", hovertemplate="share %{x:.2f}<extra></extra>"))
    white = {"color": "white", "size": 8, "line": {"width": 1.2, "color": INK}}
    for label, symbol, shares in (
        ("PED-ANOVA", "diamond", [row.ped for row in rows]),
        ("all trials", "circle", [row.all_trials for row in rows]),
    ):
        points = go.Scatter(x=shares, y=names, mode="markers", marker=white | {"symbol": symbol}, name=label)
        figure.add_trace(points.update(hovertemplate=f"{label} %{{x:.2f}}<extra></extra>"))
    floor, line = rows[0].floor, {"dash": "dash", "width": 1.5, "color": QUIET}
    side = "bottom right" if floor < 0.6 else "bottom left"
    figure.add_vline(x=floor, line=line, annotation_text=f"noise floor {floor:.2f}", annotation_position=side)
    figure.update_xaxes(title_text="share of the variance", range=[0, 1.02])
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_layout(bargap=0.45)
    return styled(figure, "Importance of each setting", 190 + 60 * len(rows))


def epochs(summary: Summary) -> go.Figure | None:
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
    figure.update_yaxes(title_text=metric)
    return styled(figure, f"Training curves ({metric})")


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


def timeline(summary: Summary) -> go.Figure | None:
    """When each trial ran."""
    figure = go.Figure()
    for kind, trials in kinds(summary).items():
        spans = [(t.number, t.datetime_start, t.datetime_complete) for t in trials]
        timed = [(number, begin, end - begin) for number, begin, end in spans if begin is not None and end is not None]
        if timed:
            bars = go.Bar(
                name=kind,
                base=[begin.isoformat() for _, begin, _ in timed],
                x=[length.total_seconds() * 1000 for _, _, length in timed],
                y=[number for number, _, _ in timed],
                text=[f"{length.total_seconds():.1f} s" for _, _, length in timed],
            )
            look = {"marker_color": LOOKS[kind]["color"], "orientation": "h", "textposition": "none", "width": 0.8}
            figure.add_trace(bars.update(**look, hovertemplate=f"trial %{{y}}, {kind}, %{{text}}<extra></extra>"))
    if not figure.data:
        return None
    figure.update_xaxes(title_text="time", type="date")
    numbers = number_axis(summary)
    figure.update_yaxes(numbers | {"range": numbers["range"][::-1]})
    figure.update_layout(barmode="overlay")
    return styled(figure, "When each trial ran")
