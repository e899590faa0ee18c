"""What all figures share: names that are safe to show, kinds of trials and their looks, the line of the baseline."""

import html
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from finetune.words import counted
from studies.report.scale import collapsed, ends, heights, value_range
from studies.results.summary import Summary
from studies.results.trials import complete, phase_of, value_of

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
# Colours of figures on paper; script.js.jinja has another for each of them on a dark screen.
INK, QUIET, BEST, PAPER, GRID, NONE = "#222222", "#767676", "#009e73", "#ffffff", "#e6e6e6", "#c8c8c8"
# From bad to good values.
SCALE = [[0, "#d3e2f0"], [0.25, "#9fc4e3"], [0.5, "#6aa6d6"], [0.75, "#3974ab"], [1, "#08417a"]]
AXIS = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "automargin": True}
TEMPLATE = {"layout": {"paper_bgcolor": PAPER, "plot_bgcolor": PAPER, "xaxis": AXIS, "yaxis": AXIS}}
# Figures on a screen that is not wide.
NARROW: dict[str, Any] = {"margin": {"l": 44, "r": 8, "t": 8, "b": 44}, "font.size": 12, "dragmode": False}
# Colours that colour-blind people can tell apart, and another symbol or fill where two of them are close.
LOOKS: dict[str, dict[str, Any]] = {
    "explore": {"color": "#56b4e9", "symbol": "circle"},
    "search": {"color": "#0072b2", "symbol": "circle"},
    "taken over": {"color": "#e69f00", "symbol": "circle"},
    "foreign": {"color": "#cc79a7", "symbol": "diamond-open"},
    "pruned": {"color": QUIET, "symbol": "circle-open"},
    "failed": {"color": "#d55e00", "symbol": "x"},
}
AWAY = {True: "triangle-down", False: "triangle-up"}


# The most trials in one figure.
MOST = 1000


def plain(text: Any) -> str:
    """Escape text for a figure, which would take some HTML in it for markup."""
    return html.escape(str(text), quote=False)


def kinds(summary: Summary) -> dict[str, list[FrozenTrial]]:
    """Trials to draw, by key of LOOKS, without empty keys; a trial without a value to draw counts as failed."""
    found: dict[str, list[FrozenTrial]] = {kind: [] for kind in LOOKS}
    for trial in summary.trials[:: one_in(summary)]:
        if value_of(trial) is None:
            found["failed"].append(trial)
        elif summary.foreign(trial):
            found["foreign"].append(trial)
        else:
            found["pruned" if trial.state is TrialState.PRUNED else phase_of(trial, summary)].append(trial)
    for trials in found.values():  # the legend shows the look of the first
        away = collapsed(trials, summary)
        trials[:] = [trial for side in (False, True) for trial, at in zip(trials, away, strict=True) if at is side]
    return {kind: trials for kind, trials in found.items() if trials}


def one_in(summary: Summary) -> int:
    """The step between two drawn trials: 1 (all are drawn) until there are too many for a file that opens quickly."""
    return max(1, math.ceil(len(summary.trials) / MOST))


def number_axis(summary: Summary) -> dict[str, Any]:
    """An axis of trial numbers."""
    last = summary.trials[-1].number
    return {"title_text": "trial", "range": [-0.7 - 0.01 * last, 0.7 + 1.01 * last], "dtick": 1 if last < 10 else None}


def value_axis(summary: Summary) -> dict[str, Any]:
    """An axis that shows the trials and the baseline; a few collapsed trials do not squeeze it."""
    return {"title_text": plain(summary.metric), "range": value_range(summary)}


def marks(kind: str, x: Sequence[Any], trials: Sequence[FrozenTrial], summary: Summary) -> go.Scatter:
    """The trials of one kind as points; those at the edge, beyond which their value lies, are triangles."""
    values, look = [value_of(trial) for trial in trials], LOOKS[kind] | {"size": 7}
    beyond = collapsed(trials, summary)
    if any(beyond) and kind not in ("pruned", "failed"):
        look["symbol"] = [AWAY[summary.maximize] if away else look["symbol"] for away in beyond]
    return go.Scatter(
        text=["no value" if value is None else summary.shown(value) for value in values],
        x=np.array(x) if not any(isinstance(value, str) for value in x) else list(x),
        y=np.array(heights(trials, summary)),
        customdata=np.array([trial.number for trial in trials]),
        name=kind,
        legendgroup=kind,
        mode="markers",
        marker=look,
        opacity=0.85,
    )


def add_baseline(figure: go.Figure, summary: Summary, label: bool = True, **place: Any) -> None:
    """A dashed line at the value of clean training, and a band of two standard deviations of the noise, if that is known.

    Their names are in the legend, where they hide no trial.
    """
    line, noise = {"dash": "dash", "width": 1.5, "color": INK}, summary.matters.noise
    if noise:
        band = {"y0": summary.clean - 2 * noise, "y1": summary.clean + 2 * noise}
        figure.add_hrect(**band, fillcolor=QUIET, opacity=0.16, line_width=0, layer="below", **place)
    figure.add_hline(y=summary.clean, line=line, **place)
    if not label:
        return
    figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=line, name=baseline_name(summary)))
    if noise:
        name, look = f"noise of one run, \u00b1 {summary.shown(2 * noise)}", {"width": 12, "color": QUIET}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=look, opacity=0.3, name=name))


def add_collapsed(figure: go.Figure, summary: Summary) -> None:
    """How many complete trials are drawn at the edge, in the legend."""
    if count := sum(collapsed(complete(summary), summary)):
        side, edge = ("below", ends(summary)[0]) if summary.maximize else ("above", ends(summary)[1])
        look = {"symbol": AWAY[summary.maximize], "size": 8, "color": QUIET}
        name = f"{counted(count, 'trial')} {side} {summary.shown(edge)}"
        none = {"width": 0}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines+markers", line=none, marker=look, name=name))


def baseline_name(summary: Summary) -> str:
    """The name and value of the baseline, for legends."""
    return f"clean baseline {summary.shown(summary.clean)}"


def styled(
    figure: go.Figure, title: str, height: int = 420, least: int = 300, narrow: dict[str, Any] | None = None
) -> go.Figure:
    """Give a figure the common look; the legend is below, where it takes no width.

    Args:
        figure: The figure.
        title: Its title.
        height: In pixels.
        least: The width in pixels below which it is scrolled instead of squeezed.
        narrow: What of its layout differs on a narrow screen.
    """
    looks = {
        "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 17}},
        "font": {"family": FONT, "size": 13, "color": INK},
        "margin": {"l": 60, "r": 20, "t": 70, "b": 60},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom", "yref": "container"},
        "height": height,
        "meta": {"least": least, "narrow": NARROW | (narrow or {})},
        "hovermode": "closest",
    }
    layout = figure.layout
    layout._validate = False  # as for plotly's own template: to check one takes three times what all else here does
    layout.template = template()
    layout._validate = True
    for name, look in looks.items():
        layout[name] = look
    return figure


@cache
def template() -> go.layout.Template:
    """The template of all figures: plotly's, with our paper and axes."""
    return go.Figure().update_layout(template=TEMPLATE).layout.template


def log_ticks(low: float, high: float) -> list[float]:
    """A few round numbers in a range: powers of ten, and numbers between them if the range is short."""
    decades = math.log10(high / low)
    steps = (1,) if decades > 2.5 else (1, 3) if decades > 1.2 else (1, 2, 5)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside[:: math.ceil(len(inside) / 5)] if len(inside) > 1 else [low, high]
