"""The winner of the confirmation taken apart: from the defaults to the winner, one setting after the other."""

import plotly.graph_objects as go

from finetune.words import listed, short
from studies.report.drawing import BEST, GRID, INK, LOOKS, QUIET, plain, styled
from studies.results.confirm_words import signed
from studies.results.confirmed import Confirmed
from studies.results.parts import Parts, Step
from studies.results.parts_words import with_interval
from studies.results.summary import Summary

PART = "confirmed"
CAPTION = (
    "From row to row, one more setting takes the winner's value. Points are means over seeds with 95 % intervals, each "
    "against clean training on the same seeds (the dashed line). A triangle is beyond the axis: its number says where."
)
# What is this many times farther below clean training than the best is above it, is drawn at the edge.
FAR, ROOM = 1.5, 0.12


def draw(summary: Summary) -> go.Figure | None:
    """A row for each configuration of the path."""
    found = summary.confirmed
    if found is None or found.parts is None:
        return None
    parts = found.parts
    low, high = ends(parts)
    count, room = len(parts.steps), ROOM * (high - low)
    places, means = list(range(count)), [max(step.from_clean.mean, low) for step in parts.steps]
    line = {"color": GRID, "width": 2}
    figure = go.Figure(go.Scatter(x=means, y=places, mode="lines", line=line, hoverinfo="skip"))
    for far in (False, True):
        figure.add_trace(points(found, low, far))
    figure.add_vline(x=0, line={"dash": "dash", "width": 1.5, "color": INK})
    title = f"better than clean training ({plain(summary.metric)})"
    figure.update_xaxes(title_text=title, range=[low - room, high + room], zeroline=False)
    names = {"tickvals": places, "ticktext": [label(step, parts) for step in parts.steps]}
    figure.update_yaxes(**names, range=[count - 0.6, -0.7], automargin=True, showgrid=False, zeroline=False)
    figure.update_layout(showlegend=False)
    return styled(figure, "From the defaults to the winner", 150 + 62 * count, narrow={"height": 130 + 66 * count})


def points(found: Confirmed, low: float, far: bool) -> go.Scatter:
    """The means with their intervals; or, if ``far``, those below the axis, as triangles at its edge."""
    assert found.parts is not None
    steps = found.parts.steps
    rows = [(place, step) for place, step in enumerate(steps) if (step.from_clean.mean < low) == far]
    gains = [step.from_clean for _, step in rows]
    bars = {"array": [g.high - g.mean for g in gains], "arrayminus": [g.mean - max(g.low, low) for g in gains]}
    last = [step is steps[-1] for _, step in rows]
    return go.Scatter(
        x=[max(gain.mean, low) for gain in gains],
        y=[place for place, _ in rows],
        mode="markers+text",
        text=[signed(found, gain.mean) for gain in gains],
        textposition="top right" if far else "top center",
        marker={
            "color": [BEST if winner else LOOKS["search"]["color"] for winner in last],
            "symbol": ["triangle-left" if far else "diamond" if winner else "circle" for winner in last],
            "size": 11,
        },
        error_x=None if far else bars | {"symmetric": False, "thickness": 2, "width": 6, "color": QUIET},
        hovertext=[told(found, step) for _, step in rows],
        hoverinfo="text",
    )


def ends(parts: Parts) -> tuple[float, float]:
    """The range of differences that is drawn; a step far below clean training does not squeeze the others."""
    gains, winner = [step.from_clean for step in parts.steps], parts.winner.from_clean
    low, high = min(0.0, *(gain.low for gain in gains)), max(0.0, *(gain.high for gain in gains))
    reach = max(high, -winner.low) or -low or 1e-6
    return max(low, -FAR * reach), max(high, 0.1 * reach)


def label(step: Step, parts: Parts) -> str:
    """What a row has changed."""
    if not step.added:
        return "the defaults"
    text = "<br>".join(f"+ {plain(name)} {plain(short(parts.values[name][1], 3))}" for name in step.added)
    return f"{text}<br>= the winner" if step is parts.winner else text


def told(found: Confirmed, step: Step) -> str:
    """The text at the pointer."""
    name = plain(listed(step.added) or "the defaults")
    lines = [f"{name}: {with_interval(found, step.from_clean)} against clean training"]
    if step.gain is not None:
        lines.append(f"this step: {with_interval(found, step.gain)}")
    return "<br>".join(lines)


def finding(summary: Summary) -> str:
    """The ends of the path, and the steps."""
    found = summary.confirmed
    assert found is not None
    assert found.parts is not None
    steps = [f"{listed(step.added)} {signed(found, step.gain.mean)}" for step in found.parts.steps if step.gain is not None]
    ends = [signed(found, step.from_clean.mean) for step in (found.parts.defaults, found.parts.winner)]
    return f"Against clean training, the defaults are {ends[0]} and the winner is {ends[1]}; the steps: {', '.join(steps)}."
