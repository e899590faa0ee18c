"""The figures of studies side by side: one colour and symbol for each study, clean training as a dashed line."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from adv import METHODS
from studies.report.drawing import INK, QUIET, add_baseline, log_ticks, plain, styled
from studies.results.budgets import expected_best, independent, spending
from studies.results.compare import Entry, SideBySide
from studies.results.trials import own, value_of

# Colours that colour-blind people can tell apart (Okabe and Ito); further studies repeat them with another dash and symbol.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00")
DASHES, SYMBOLS = ("solid", "dot", "dashdot"), ("circle", "square", "diamond")
CAPTIONS = {
    "confirmed": "The best settings of each confirmed study against clean training: the mean over fresh seeds, and its 95 %"
    " interval over seeds. A method helps if its whole interval is right of the dashed line.",
    "seconds": "The best complete trial so far, against the seconds of all trials so far, one after the other. Pruned and"
    " failed trials cost too. The curves rise by luck as well.",
    "passes": "The same against work that depends on no machine: passes, in complete clean trainings. Clean epochs that"
    " trials share count for each.",
    "budget": "The best value to be expected of k exploration trials, the mean over all their subsets of that size (without"
    " bias, up to half of the trials). Where a curve is flat, more trials would not pay.",
    "strength": "Each point is a trial, by the measured size of its perturbation relative to what it perturbs (mean over"
    " steps). So methods with different settings have one axis: at equal strength, which is better?",
}


def drawn(found: SideBySide) -> dict[str, tuple[go.Figure, str]]:
    """The figures that have something to show, by name, with their captions."""
    figures = {
        "confirmed": confirmed(found),
        "seconds": curves(found, "seconds", "Best so far against seconds", "seconds of training"),
        "passes": curves(found, "passes", "Best so far against passes", "passes, in complete clean trainings"),
        "budget": budget(found),
        "strength": strength(found),
    }
    return {name: (figure, CAPTIONS[name]) for name, figure in figures.items() if figure is not None}


def look(found: SideBySide, entry: Entry) -> dict[str, Any]:
    """The colour, dash and symbol of a study; controls are grey."""
    at = found.entries.index(entry)
    again = at // len(COLORS) % len(DASHES)
    control = METHODS[entry.summary.about["method"]].control
    color = QUIET if control else COLORS[at % len(COLORS)]
    return {"color": color, "dash": DASHES[again], "symbol": SYMBOLS[again]}


def line(found: SideBySide, entry: Entry, x: Sequence[float], y: Sequence[float], shape: str = "linear") -> go.Scatter:
    """One curve of a study."""
    style = look(found, entry)
    return go.Scatter(
        x=list(x),
        y=list(y),
        name=plain(entry.label),
        mode="lines+markers" if len(x) < 30 else "lines",
        line={"color": style["color"], "dash": style["dash"], "width": 2, "shape": shape},
        marker={"symbol": style["symbol"], "size": 5},
    )


def values_in(found: SideBySide, shown: Sequence[float]) -> list[float]:
    """The range of a value axis: all good values and clean training; collapsed ones do not squeeze the rest."""
    clean, sign = found.first.clean, 1 if found.first.maximize else -1
    best = max([sign * clean, *(sign * value for value in shown)])
    reach = max(best - sign * clean, 0.02 * abs(clean), 1e-6)
    worst = max(min([sign * clean, *(sign * value for value in shown)]), sign * clean - 4 * reach)
    room = 0.06 * (best - worst or reach)
    return sorted([sign * (worst - room), sign * (best + room)])


def finished(
    found: SideBySide, figure: go.Figure, title: str, x: dict[str, Any], shown: Sequence[float]
) -> go.Figure | None:
    """The figure with its axes and clean training; None if it has no curve."""
    if not figure.data:
        return None
    add_baseline(figure, found.first)
    figure.update_xaxes(**x)
    figure.update_yaxes(title_text=plain(found.first.metric), range=values_in(found, shown))
    return styled(figure, title, 440 + 6 * len(found.entries), 380)


def curves(found: SideBySide, what: str, title: str, unit: str) -> go.Figure | None:
    """Best so far against what was spent."""
    figure = go.Figure()
    shown: list[float] = []
    for entry in found.entries:
        points = [(getattr(spent, what), spent.best) for spent in spending(entry.summary) if spent.best is not None]
        if points:
            x, y = zip(*points, strict=True)
            figure.add_trace(line(found, entry, x, y, "hv"))
            shown += y
    return finished(found, figure, title, {"title_text": unit, "rangemode": "tozero"}, shown)


def budget(found: SideBySide) -> go.Figure | None:
    """Expected best against the number of trials."""
    figure = go.Figure()
    shown: list[float] = []
    for entry in found.entries:
        expected = expected_best(independent(entry.summary), entry.summary.maximize)
        if len(expected) > 1:
            figure.add_trace(line(found, entry, range(1, len(expected) + 1), expected))
            shown += expected
    return finished(
        found, figure, "Expected best against the number of trials", {"title_text": "trials", "tickformat": "d"}, shown
    )


def strength(found: SideBySide) -> go.Figure | None:
    """Values against the measured size of the perturbation."""
    figure = go.Figure()
    shown: list[float] = []
    sizes: list[float] = []
    for entry in found.entries:
        pairs = [(t.user_attrs.get("diagnostics", {}).get("relative"), value_of(t)) for t in own(entry.summary)]
        points = [(size, value) for size, value in pairs if size is not None and size > 0 and value is not None]
        if points:
            x, y = zip(*points, strict=True)
            style = look(found, entry)
            mark = {"color": style["color"], "symbol": style["symbol"], "size": 7}
            figure.add_trace(go.Scatter(x=x, y=y, name=plain(entry.label), mode="markers", marker=mark, opacity=0.8))
            shown += y
            sizes += x
    axis: dict[str, Any] = {"title_text": "size of the perturbation, relative", "type": "log"}
    if sizes:
        axis |= {"tickvals": log_ticks(min(sizes), max(sizes)), "tickformat": "~g"}
    return finished(found, figure, "Value against the measured strength of the attack", axis, shown)


def confirmed(found: SideBySide) -> go.Figure | None:
    """Confirmed differences with their intervals."""
    figure = go.Figure()
    for entry in reversed(found.entries):
        proven = entry.proven
        if proven is None:
            continue
        bars = {"array": [far(proven.high, proven.mean)], "arrayminus": [far(proven.low, proven.mean)], "width": 6}
        style = look(found, entry)
        figure.add_trace(
            go.Scatter(
                x=[proven.mean],
                y=[f"{plain(entry.label)}: {proven.word}"],
                error_x=bars | {"symmetric": False, "thickness": 2},
                mode="markers",
                marker={"color": style["color"], "symbol": style["symbol"], "size": 10},
                showlegend=False,
            )
        )
    if not figure.data:
        return None
    figure.add_vline(x=0, line={"dash": "dash", "width": 1.5, "color": INK})
    figure.update_xaxes(title_text=f"better than clean training ({plain(found.first.metric)})")
    return styled(figure, "Confirmed differences", 140 + 46 * len(figure.data), 380).update_layout(margin={"l": 20})


def far(end: float | None, middle: float) -> float:
    """How far an end of an interval is from its middle; 0 without interval."""
    return 0.0 if end is None else abs(end - middle)
