"""The value against each setting."""

import math
from typing import Any

import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, FloatDistribution
from plotly.subplots import make_subplots

from finetune.words import listed, short
from studies.report.drawing import (
    add_baseline,
    add_collapsed,
    kinds,
    marks,
    plain,
    styled,
    value_axis,
)
from studies.report.panels.axes import axis, position, varied
from studies.results.summary import Summary
from studies.running.foreign import usable

PART = "act"
CAPTION = (
    "The value of every trial against one setting at a time, with clean training as the dashed line; a slope or a "
    "cliff means that the setting matters there, an even cloud means that it does not."
)


def draw(summary: Summary) -> go.Figure | None:
    """The value against each setting."""
    names, groups = varied(summary), kinds(summary)
    if not names or not groups:
        return None
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = math.ceil(len(names) / columns)
    cells = range(rows * columns)
    specs: list[dict[str, Any] | None] = [{} if cell < len(names) else None for cell in cells]
    figure = make_subplots(
        rows,
        columns,
        specs=[specs[cell : cell + columns] for cell in cells[::columns]],
        shared_yaxes=True,
        vertical_spacing=0.22 / rows,
    )
    for index, name in enumerate(names):
        place, dist = {"row": index // columns + 1, "col": index % columns + 1}, summary.space[name]
        for kind, trials in groups.items():
            having = [trial for trial in trials if name in trial.params and usable(dist, trial.params[name])]
            trace = marks(kind, [position(t, name, dist) for t in having], having, summary)
            figure.add_trace(
                trace.update(showlegend=index == 0, hovertemplate=hover(kind, name, dist, summary.metric)), **place
            )
        figure.update_xaxes(title_text=plain(name), **axis(dist), **place)
        add_baseline(figure, summary, label=index == 0, **place)
    add_collapsed(figure, summary)
    figure.update_yaxes(range=value_axis(summary)["range"])
    figure.update_yaxes(title_text=plain(summary.metric), col=1)
    title = f"Each setting by itself ({plain(summary.metric)})"
    return styled(figure, title, 130 + 290 * rows, narrow=stacked(len(names)))


def stacked(count: int) -> dict[str, Any]:
    """The layout of a narrow screen: one plot below the other."""
    room, found = 0.3 / count, dict[str, Any]()
    for index in range(count):
        number = str(index + 1) if index else ""
        top = 1 - index / count
        found[f"xaxis{number}.domain"] = [0, 1]
        found[f"yaxis{number}.domain"] = [max(0.0, top - (1 - (room if index < count - 1 else 0) * count) / count), top]
        found[f"yaxis{number}.showticklabels"] = True
        found[f"yaxis{number}.title.text"] = ""
    return found | {"height": 110 + 230 * count}


def finding(summary: Summary) -> str:
    """Where the best trial is in each range."""
    names, best = varied(summary), summary.best
    if best is None:
        return f"{listed(names)} against {summary.metric}; no trial is complete."
    at = listed([f"{name} {short(best.params[name], 3)}" for name in names if name in best.params])
    return f"The best trial is at {at}."


def hover(kind: str, name: str, distribution: BaseDistribution, metric: str) -> str:
    """The text at the pointer; the height of a point is not always its value."""
    digits = ":.3g" if isinstance(distribution, FloatDistribution) else ""
    return f"trial %{{customdata}}, {kind}<br>{plain(metric)} %{{text}}<br>{plain(name)} %{{x{digits}}}<extra></extra>"
