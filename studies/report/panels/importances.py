"""How much each setting explains."""

import plotly.graph_objects as go

from studies.report.drawing import (
    INK,
    LOOKS,
    QUIET,
    plain,
    styled,
)
from studies.results.summary import Summary

CAPTION = (
    "Each bar is the share of the value's variance that one setting by itself explains, in the exploration phase; a bar "
    "that ends before the dashed line cannot be told from noise."
)


def draw(summary: Summary) -> go.Figure | None:
    """Shares with their intervals, and the noise floor."""
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
