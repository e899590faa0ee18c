"""The importances as a figure for a narrow place in optuna-dashboard."""

from collections.abc import Sequence

import plotly.graph_objects as go

from studies.report.drawing import INK, LOOKS, QUIET, plain
from studies.results.answers import QUESTIONS
from studies.results.importance import Finding
from studies.results.summary import Summary

TITLE = "Which settings matter (advsearch)"
WORDS = {"breaks": "breaks training", "improves": "makes the others better"}
COLORS = {"breaks": LOOKS["failed"]["color"], "improves": LOOKS["search"]["color"]}
# The most findings of one question.
MOST = 6


def compact(summary: Summary) -> go.Figure | None:
    """Shares with their intervals and noise floors, one bar in a row; None if there are none.

    Rows are numbered and named by ticks, because names may occur twice: a setting may break training and improve it.
    """
    asked = {question: largest(summary.importances, question) for question in QUESTIONS}
    rows = [row for found in asked.values() for row in found]
    if not rows:
        return None
    figure = go.Figure()
    for question, found in asked.items():
        if found:
            figure.add_trace(bars(found, [rows.index(row) for row in found], question))
    places, floors = list(range(len(rows))), [row.floor for row in rows]
    line = {"symbol": "line-ns-open", "size": 16, "color": INK, "line": {"width": 2, "color": INK}}
    figure.add_trace(go.Scatter(x=floors, y=places, mode="markers", marker=line, name="noise floor"))
    names = [plain(row.name) for row in rows]
    figure.update_yaxes(tickvals=places, ticktext=names, range=[len(rows) - 0.4, -0.6], automargin=True, zeroline=False)
    figure.update_xaxes(title_text="share of the variance (faint: no evidence)", range=[0, 1.02], automargin=True)
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    title = {"text": TITLE, "x": 0.02, "font": {"size": 16, "color": INK}}
    margin = {"l": 20, "r": 20, "t": 90, "b": 50}
    return figure.update_layout(title=title, margin=margin, legend=legend, bargap=0.4, font={"size": 12, "color": INK})


def largest(findings: Sequence[Finding], question: str) -> list[Finding]:
    """The largest shares of one question; whatever has evidence comes first."""
    found = [row for row in findings if row.question == question]
    return sorted(found, key=lambda row: (not row.evidence, -row.share))[:MOST]


def bars(found: Sequence[Finding], places: Sequence[int], question: str) -> go.Bar:
    """The bars of one question."""
    above, below = [max(0.0, row.high - row.share) for row in found], [max(0.0, row.share - row.low) for row in found]
    return go.Bar(
        x=[row.share for row in found],
        y=list(places),
        orientation="h",
        width=0.55,
        name=WORDS[question],
        marker={"color": COLORS[question], "opacity": [1.0 if row.evidence else 0.3 for row in found]},
        error_x={"type": "data", "array": above, "arrayminus": below, "thickness": 1.5, "color": QUIET},
        hovertemplate="share %{x:.2f}<extra></extra>",
    )
