"""How much each setting and pair explains, of what breaks training and of what improves it."""

from typing import Any

import plotly.graph_objects as go

from finetune.words import listed
from studies.report.drawing import INK, LOOKS, NONE, QUIET, plain, styled
from studies.results.answers import QUESTIONS, TITLES
from studies.results.importance import Finding
from studies.results.summary import Summary

PART = "matters"
CAPTION = (
    "Each bar is the share of the variance that a setting explains, or two settings together, with its 95 % interval; a bar "
    "that ends before its noise floor, the small upright line, cannot be told from chance."
)
FLOOR = {"symbol": "line-ns", "size": 18, "line": {"width": 2, "color": INK}}


def draw(summary: Summary) -> go.Figure | None:
    """Shares with their intervals and noise floors, a group for each question."""
    rows = [row for question in QUESTIONS for row in summary.importances if row.question == question]
    if not rows:
        return None
    places = [[TITLES[row.question] for row in rows], [label(row) for row in rows]]
    above, below = [max(0.0, row.high - row.share) for row in rows], [max(0.0, row.share - row.low) for row in rows]
    spread = {"type": "data", "array": above, "arrayminus": below, "thickness": 1.5, "color": QUIET}
    colors = [LOOKS["search"]["color"] if row.evidence else NONE for row in rows]
    bars = go.Bar(x=[row.share for row in rows], y=places, orientation="h", marker_color=colors, error_x=spread)
    figure = go.Figure(bars.update(name="share, 95 % interval", hovertemplate="share %{x:.2f}<extra></extra>"))
    floors = go.Scatter(x=[row.floor for row in rows], y=places, mode="markers", marker=FLOOR, name="noise floor")
    figure.add_trace(floors.update(hovertemplate="noise floor %{x:.2f}<extra></extra>"))
    figure.update_xaxes(title_text="share of the variance", range=[0, 1.02])
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(bargap=0.45)
    return styled(figure, "Which settings matter", 190 + 46 * len(rows), narrow=compact(rows))


def compact(rows: list[Finding]) -> dict[str, Any]:
    """The layout of a narrow screen: the questions over their rows, not beside them."""
    places, heads, place = list[int](), list[dict[str, Any]](), 0
    for index, row in enumerate(rows):
        if index == 0 or row.question != rows[index - 1].question:
            bold = {"text": TITLES[row.question], "font": {"weight": 700}}
            heads.append(bold | {"y": place, "xref": "paper", "x": 0, "xanchor": "left", "showarrow": False})
            place += 1
        places.append(place)
        place += 1
    names = [plain(row.name).replace(" and ", "<br>and ") for row in rows]
    axis = {"type": "linear", "tickvals": places, "ticktext": names, "range": [place - 0.4, -0.6], "automargin": True}
    shown = {"data.0.y": places, "data.1.y": places, "yaxis": axis | {"showgrid": False, "zeroline": False}}
    return shown | {"annotations": heads, "height": 150 + 44 * place}


def finding(summary: Summary) -> str:
    """What was found, and the shares."""
    rows = [row for row in summary.importances if row.evidence]
    shares = listed([f"{row.name} {row.share:.2f} ({TITLES[row.question]})" for row in rows])
    return f"Above its noise floor: {shares}." if rows else "Nothing is above its noise floor."


def label(row: Finding) -> str:
    """The settings, and whether there is evidence."""
    return plain(row.name) + ("" if row.evidence else " <i>(no evidence)</i>")
