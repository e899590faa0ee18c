"""Two metrics against each other: all trials, the front, and clean training."""

from collections.abc import Sequence

import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finetune.words import counted
from studies.report.drawing import (
    BEST,
    INK,
    NARROW,
    PAPER,
    add_baseline,
    add_collapsed,
    kinds,
    marks,
    plain,
    styled,
    value_axis,
)
from studies.report.panels.history import in_words
from studies.report.scale import ROOM, collapsed, heights
from studies.results.front import against, front_of
from studies.results.second import Second
from studies.results.summary import Summary
from studies.results.trials import complete

PART = "front"
CAPTION = (
    "Each point is a trial; the diamonds are the front, and no trial lies on the better side of its line. The cross is "
    "clean training: what is better in both metrics lies on the better side of both dashed lines."
)
# With more trials on the front, their numbers would cover each other.
LABELLED = 12


def draw(summary: Summary) -> go.Figure | None:
    """The trials by both metrics, the line of the front, and clean training."""
    second = summary.second
    if second is None or not summary.front:
        return None
    figure, ends = go.Figure(), span(summary, second)
    for kind, trials in kinds(summary).items():
        shown = [trial for trial in trials if trial.number in second.values]
        if shown:
            texts = [in_words(trial, kind, summary, words(trial, second)) for trial in shown]
            figure.add_trace(
                marks(kind, across(shown, second, ends), shown, summary).update(hovertext=texts, hoverinfo="text")
            )
    figure.add_trace(line(summary, second, ends))
    add_baseline(figure, summary)
    figure.add_vline(x=second.clean, line={"dash": "dash", "width": 1.5, "color": INK})
    figure.add_trace(clean(summary, second))
    add_collapsed(figure, summary)
    room = ROOM * ((ends[1] - ends[0]) or abs(ends[1]) or 1.0)
    figure.update_xaxes(title_text=plain(second.metric), range=[ends[0] - room, ends[1] + room])
    figure.update_yaxes(**value_axis(summary))
    narrow = {"margin": NARROW["margin"] | {"t": 24}}
    return styled(figure, f"The front of {plain(summary.metric)} and {plain(second.metric)}", 460, narrow=narrow)


def span(summary: Summary, second: Second) -> tuple[float, float]:
    """The ends of the axis of the second metric: what collapsed in the first does not squeeze it."""
    trials = [trial for trial in complete(summary) if trial.number in second.values]
    away = collapsed(trials, summary)
    known = [second.values[trial.number] for trial, gone in zip(trials, away, strict=True) if not gone]
    known += [second.values[trial.number] for trial in summary.front]
    return min([*known, second.clean]), max([*known, second.clean])


def across(trials: Sequence[FrozenTrial], second: Second, ends: tuple[float, float]) -> list[float]:
    """Where trials are drawn along the second metric."""
    return [min(max(second.values[trial.number], ends[0]), ends[1]) for trial in trials]


def words(trial: FrozenTrial, second: Second) -> str:
    """A trial's value in the second metric."""
    return f"{plain(second.metric)} {second.shown(second.values[trial.number])}"


def line(summary: Summary, second: Second, ends: tuple[float, float]) -> go.Scatter:
    """The front as a line with steps, beyond which no trial lies."""
    compared = {found.number: against(found) for found in front_of(summary)}
    trials = sorted(summary.front, key=lambda trial: second.values[trial.number])
    texts = [in_words(t, "front", summary, words(t, second), f"{compared[t.number]} than clean training") for t in trials]
    few = len(trials) <= LABELLED
    return go.Scatter(
        x=across(trials, second, ends),
        y=heights(trials, summary),
        name="front",
        mode="lines+markers+text" if few else "lines+markers",
        line={"color": BEST, "width": 2, "shape": "vh" if second.maximize else "hv"},
        marker={"symbol": "diamond", "size": 11, "color": BEST, "line": {"width": 1.5, "color": PAPER}},
        text=[str(trial.number) for trial in trials] if few else None,
        textposition="top right" if second.maximize else "top left",
        cliponaxis=False,
        hovertext=texts,
        hoverinfo="text",
    )


def clean(summary: Summary, second: Second) -> go.Scatter:
    """Clean training as a cross."""
    values = f"{plain(summary.metric)} {summary.shown(summary.clean)}<br>{plain(second.metric)} {second.shown(second.clean)}"
    look = {"symbol": "cross", "size": 12, "color": INK, "line": {"width": 1.5, "color": PAPER}}
    found = go.Scatter(x=[second.clean], y=[summary.clean], mode="markers", marker=look, name="clean training")
    return found.update(hovertext=[f"clean training<br>{values}"], hoverinfo="text", showlegend=False)


def finding(summary: Summary) -> str:
    """How many trials are on the front, between which values, and which are better than clean training in both."""
    second, found = summary.second, front_of(summary)
    if second is None or not found:
        return "There is no front."
    ends = [summary.shown(trial.values[0]) for trial in (found[-1], found[0])]
    others = [second.shown(trial.values[1]) for trial in (found[-1], found[0])]
    both = sum(len(trial.better) > 1 for trial in found)
    what = f"from {summary.metric} {ends[0]} at {second.metric} {others[0]} to {ends[1]} at {others[1]}"
    if len(found) == 1:
        than = f"it is {against(found[0])} than clean training"
        return f"One trial alone is the front, {summary.metric} {ends[0]} at {second.metric} {others[0]}: {than}."
    than = f"{both or 'none'} of them {'are' if both > 1 else 'is'} better than clean training in both"
    return f"The front has {counted(len(found), 'trial')}, {what}; {than}."
