"""The value of each trial."""

from itertools import accumulate

import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finetune.words import counted, short
from studies.report.drawing import (
    BEST,
    add_baseline,
    add_collapsed,
    kinds,
    marks,
    number_axis,
    plain,
    styled,
    value_axis,
)
from studies.results.folded import runs_of
from studies.results.summary import Summary
from studies.results.trials import complete, value_of

PART = "history"
CAPTION = (
    "Each point is a trial; points on the better side of the dashed line beat clean training. Trials beyond the axis "
    "(triangles), pruned trials below all final values, and failed ones are at the worse edge."
)


def draw(summary: Summary) -> go.Figure | None:
    """The value of each trial, and the best so far."""
    if not summary.trials:
        return None
    figure, metric = go.Figure(), plain(summary.metric)
    for kind, trials in kinds(summary).items():
        texts = [in_words(trial, kind, summary) for trial in trials]
        trace = marks(kind, [trial.number for trial in trials], trials, summary)
        figure.add_trace(trace.update(hovertext=texts, hoverinfo="text"))
    done = complete(summary)
    best = list(accumulate([value_of(trial) or 0.0 for trial in done], max if summary.maximize else min))
    if best:
        line = {"color": BEST, "width": 2, "shape": "hv"}
        x, y = [*(trial.number for trial in done), summary.trials[-1].number], [*best, best[-1]]
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, name="best so far", hoverinfo="skip"))
    add_baseline(figure, summary)
    add_collapsed(figure, summary)
    figure.update_xaxes(**number_axis(summary))
    figure.update_yaxes(**value_axis(summary))
    return styled(figure, f"Trials in the order they ran ({metric})")


def finding(summary: Summary) -> str:
    """How many trials beat clean training, and when the best came."""
    done = complete(summary)
    if not done:
        return "No trial is complete."
    sign = 1 if summary.maximize else -1
    better = sum(sign * (value_of(trial) or 0.0) > sign * summary.clean for trial in done)
    text = f"{better} of {counted(len(done), 'complete trial')} {'beats' if better == 1 else 'beat'} clean training"
    if summary.best is None:
        return f"{text}."
    return f"{text}; the best, {summary.shown(summary.best.value or 0.0)}, is trial {summary.best.number}."


def in_words(trial: FrozenTrial, kind: str, summary: Summary, *more: str) -> str:
    """The text at the pointer: a trial's value, or why it has none, what else is known, and its settings."""
    value = value_of(trial)
    if value is None:
        result = plain(str(trial.user_attrs.get("failure", "no finite value"))[:100])
    else:
        runs = runs_of(summary)
        last = f"epoch {trial.last_step}" if runs == 1 else f"run {(trial.last_step or 0) + 1} of {runs}"
        when = f" after {last}" if kind == "pruned" else ""
        result = f"{plain(summary.metric)} {summary.shown(value)}{when}"
    settings = [f"{plain(name)} {plain(short(setting, 3))}" for name, setting in trial.params.items()]
    return "<br>".join([f"trial {trial.number}, {kind}", result, *more, *settings])
