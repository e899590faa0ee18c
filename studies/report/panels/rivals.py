"""The winner of the confirmation against each rival, seed by seed."""

import math

import plotly.graph_objects as go

from studies.report.drawing import BEST, INK, LOOKS, QUIET, plain, styled
from studies.results.confirm_words import interval, signed
from studies.results.confirmed import Confirmed
from studies.results.further_words import named
from studies.results.side import Compared
from studies.results.summary import Summary

PART = "confirmed"
CAPTION = (
    "How much better the winner is than each rival. A small dot is a seed, the diamond the mean with its 95 % interval over "
    "seeds, the thin line the interval over seeds and rows. Right of the dashed line the winner is better."
)
# Small dots lie this much below their row.
BELOW = 0.22
ROOM = 0.06


def draw(summary: Summary) -> go.Figure | None:
    """A row for each rival; None before there are two seeds."""
    found = summary.confirmed
    if found is None or found.clean.low is None:
        return None
    rows = rivals(found)
    figure = go.Figure(seeds(rows))
    for name, width in (("rows", 1.5), ("seeds", 4.0)):
        for place, (_, side) in enumerate(rows):
            low, high = (side.rows_low, side.rows_high) if name == "rows" else (side.low, side.high)
            if low is not None and high is not None:
                line = {"color": QUIET, "width": width}
                figure.add_trace(go.Scatter(x=[low, high], y=[place] * 2, mode="lines", line=line, hoverinfo="skip"))
    figure.add_trace(means(found, rows))
    figure.add_vline(x=0, line={"dash": "dash", "width": 1.5, "color": INK})
    figure.update_xaxes(title_text=f"better by ({plain(summary.metric)})", range=ends(rows), zeroline=False)
    names = {"tickvals": list(range(len(rows))), "ticktext": [label(name) for name, _ in rows]}
    figure.update_yaxes(**names, range=[len(rows) - 0.5, -0.6], automargin=True, showgrid=False, zeroline=False)
    figure.update_layout(showlegend=False)
    return styled(figure, "The winner against its rivals", 150 + 56 * len(rows), narrow={"height": 130 + 60 * len(rows)})


def rivals(found: Confirmed) -> list[tuple[str, Compared]]:
    """The comparisons with their names."""
    rows = [("clean training", found.clean)] + ([] if found.control is None else [("its control", found.control)])
    return rows + [(named(each), each.compared) for each in found.further if each.compared.low is not None]


def label(name: str) -> str:
    """A name in two lines, if it is long."""
    parts = (part.strip() for part in plain(name).partition("clean training"))
    return "<br>".join(part for part in parts if part)


def ends(rows: list[tuple[str, Compared]]) -> tuple[float, float]:
    """The range of what is drawn."""
    drawn = [0.0]
    for _, side in rows:
        drawn += [end for end in (side.low, side.high, side.rows_low, side.rows_high) if end is not None]
        drawn += [apart for apart in side.differences if math.isfinite(apart)]
    room = ROOM * (max(drawn) - min(drawn) or 1.0)
    return min(drawn) - room, max(drawn) + room


def seeds(rows: list[tuple[str, Compared]]) -> go.Scatter:
    """A dot for each seed on which both runs have a value."""
    dots = [(place, apart) for place, (_, side) in enumerate(rows) for apart in side.differences if math.isfinite(apart)]
    look = {"mode": "markers", "marker": LOOKS["search"] | {"size": 5, "opacity": 0.45}, "hoverinfo": "skip"}
    return go.Scatter(x=[apart for _, apart in dots], y=[place + BELOW for place, _ in dots], **look)


def means(found: Confirmed, rows: list[tuple[str, Compared]]) -> go.Scatter:
    """The means."""
    return go.Scatter(
        x=[side.mean for _, side in rows],
        y=list(range(len(rows))),
        mode="markers+text",
        text=[signed(found, side.mean) for _, side in rows],
        textposition="top center",
        marker={"color": BEST, "symbol": "diamond", "size": 11},
        hovertext=[f"against {plain(name)}: {signed(found, side.mean)}{interval(found, side)}" for name, side in rows],
        hoverinfo="text",
    )


def finding(summary: Summary) -> str:
    """The means."""
    found = summary.confirmed
    assert found is not None
    gains = [f"{signed(found, side.mean)} against {name}" for name, side in rivals(found)]
    return f"On {found.seeds} fresh seeds the winner is {', '.join(gains)}."
