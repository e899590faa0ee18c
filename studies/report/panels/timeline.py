"""When each trial ran."""

import plotly.graph_objects as go

from finetune.words import counted
from studies.report.drawing import (
    LOOKS,
    kinds,
    number_axis,
    styled,
)
from studies.results.summary import Summary

PART = "cost"
CAPTION = "When each trial ran and for how long; in gaps no trial ran."


def draw(summary: Summary) -> go.Figure | None:
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


def finding(summary: Summary) -> str:
    """From when to when the trials ran."""
    spans = [(t.datetime_start, t.datetime_complete) for t in summary.trials if t.datetime_start and t.datetime_complete]
    if not spans:
        return "It is not known when the trials ran."
    first, last = min(begin for begin, _ in spans), max(end for _, end in spans if end is not None)
    return f"{counted(len(spans), 'trial')} ran between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M}."
