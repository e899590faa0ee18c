"""The value of each trial."""

from itertools import accumulate

import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from finetune.words import short
from studies.report.drawing import (
    BEST,
    add_baseline,
    kinds,
    marks,
    number_axis,
    plain,
    styled,
    value_axis,
)
from studies.results.summary import Summary
from studies.results.trials import complete, value_of

CAPTION = (
    "Each point is a trial; points on the better side of the dashed line beat clean training. Failed trials, and "
    "pruned trials below all final values, are at the worse edge."
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
    figure.update_xaxes(**number_axis(summary))
    figure.update_yaxes(**value_axis(summary))
    return styled(figure, f"Trials in the order they ran ({metric})")


def in_words(trial: FrozenTrial, kind: str, summary: Summary) -> str:
    """The text at the pointer: a trial's value, or why it has none, and its settings."""
    value = value_of(trial)
    if value is None:
        result = plain(str(trial.user_attrs.get("failure", "no finite value"))[:100])
    else:
        when = f" after epoch {trial.last_step}" if kind == "pruned" else ""
        result = f"{plain(summary.metric)} {summary.shown(value)}{when}"
    settings = [f"{plain(name)} {plain(short(setting, 3))}" for name, setting in trial.params.items()]
    return "<br>".join([f"trial {trial.number}, {kind}", result, *settings])
