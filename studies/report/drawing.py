"""What all figures share: names that are safe to show, kinds of trials and their looks, the line of the baseline."""

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from studies.results.summary import Summary
from studies.results.trials import complete, own, phase_of, value_of

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
INK, QUIET, BEST = "#222222", "#9a9a9a", "#009e73"
# Colours that colour-blind people can tell apart, and another symbol or fill where two of them are close.
LOOKS: dict[str, dict[str, Any]] = {
    "explore": {"color": "#56b4e9", "symbol": "circle"},
    "search": {"color": "#0072b2", "symbol": "circle"},
    "taken over": {"color": "#e69f00", "symbol": "circle"},
    "foreign": {"color": "#cc79a7", "symbol": "diamond-open"},
    "pruned": {"color": QUIET, "symbol": "circle-open"},
    "failed": {"color": "#d55e00", "symbol": "x"},
}


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
    return {kind: trials for kind, trials in found.items() if trials}


def one_in(summary: Summary) -> int:
    """The step between two drawn trials: 1 (all are drawn) until there are too many for a file that opens quickly."""
    return max(1, math.ceil(len(summary.trials) / MOST))


def heights(trials: Sequence[FrozenTrial], summary: Summary) -> list[float]:
    """Where trials are drawn: at their value; failed trials, and pruned trials below all complete ones, at the worse edge.

    A value that the search did not measure, and that is better than all measured ones, is drawn at the better edge. A trial
    that was pruned early is far from any final value: at its value, it would squeeze the rest into a strip.
    """
    shown = [value for trial in complete(summary) or own(summary) if (value := value_of(trial)) is not None]
    low, high = min([*shown, summary.clean]), max([*shown, summary.clean])
    room = 0.06 * ((high - low) or abs(high) or 1.0) * (-1 if summary.maximize else 1)
    worst, bound = (low, max) if summary.maximize else (high, min)
    best, other = (high, min) if summary.maximize else (low, max)
    values = [value_of(trial) for trial in trials]
    return [worst + 2 * room if value is None else other(bound(value, worst + room), best - room) for value in values]


def value_axis(summary: Summary) -> dict[str, Any]:
    """An axis that shows all trials and the baseline."""
    drawn = [*heights(summary.trials, summary), summary.clean]
    low, high = min(drawn), max(drawn)
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    return {"title_text": plain(summary.metric), "range": [low - room, high + room]}


def number_axis(summary: Summary) -> dict[str, Any]:
    """An axis of trial numbers."""
    last = summary.trials[-1].number
    return {"title_text": "trial", "range": [-0.7 - 0.01 * last, 0.7 + 1.01 * last], "dtick": 1 if last < 10 else None}


def marks(kind: str, x: Sequence[Any], trials: Sequence[FrozenTrial], summary: Summary) -> go.Scatter:
    """The trials of one kind as points."""
    return go.Scatter(
        x=np.array(x) if not any(isinstance(value, str) for value in x) else list(x),
        y=np.array(heights(trials, summary)),
        customdata=np.array([trial.number for trial in trials]),
        name=kind,
        legendgroup=kind,
        mode="markers",
        marker=LOOKS[kind] | {"size": 7},
        opacity=0.85,
    )


def add_baseline(figure: go.Figure, summary: Summary, label: bool = True, **place: Any) -> None:
    """A dashed line at the value of clean training; its name is in the legend, where it hides no trial."""
    line = {"dash": "dash", "width": 1.5, "color": INK}
    figure.add_hline(y=summary.clean, line=line, **place)
    if label:
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=line, name=baseline_name(summary)))


def baseline_name(summary: Summary) -> str:
    """The name and value of the baseline, for legends."""
    return f"clean baseline {summary.shown(summary.clean)}"


def styled(figure: go.Figure, title: str, height: int = 420, least: int = 320) -> go.Figure:
    """Give a figure the common look; the legend is below, where it takes no width.

    ``least`` is the width in pixels below which the figure is scrolled instead of squeezed.
    """
    return figure.update_layout(
        template="plotly_white",
        title={"text": title, "x": 0, "xref": "paper", "font": {"size": 17}},
        height=height,
        meta={"least": least},
        font={"family": FONT, "size": 13, "color": INK},
        margin={"l": 60, "r": 20, "t": 70, "b": 60},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom", "yref": "container"},
        hovermode="closest",
    )


def log_ticks(low: float, high: float) -> list[float]:
    """A few round numbers in a range: powers of ten, and numbers between them if the range is short."""
    decades = math.log10(high / low)
    steps = (1,) if decades > 2.5 else (1, 3) if decades > 1.2 else (1, 2, 5)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside[:: math.ceil(len(inside) / 5)] if len(inside) > 1 else [low, high]
