"""Trials, prepared for figures and tables."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from adv.core.settings import without_fraction
from finetune.training.epoch import gone
from studies.results.summary import Summary, settings_of
from studies.running.foreign import CURVES, is_number, measured, taken

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("number", "state", "phase", "value")
# A study with two metrics has these too.
SECOND = ("second value", "front")


class Table(NamedTuple):
    """Finished trials: one row each, None for empty cells."""

    columns: list[str]
    rows: list[list[Any]]


def phase_of(trial: FrozenTrial, summary: Summary) -> str:
    """``explore``, ``search``, ``taken over``, or ``foreign``: outside the space, or not measured by a search."""
    if summary.foreign(trial):
        return "foreign"
    if taken(trial):
        return "taken over"
    return "explore" if trial.number < summary.explore else "search"


def value_of(trial: FrozenTrial) -> float | None:
    """The trial's value, or the last report of a pruned trial; None if there is none or it is not finite."""
    value = trial.value if trial.state is TrialState.COMPLETE else None
    if trial.state is TrialState.PRUNED and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    return value if is_number(value) else None


def complete(summary: Summary) -> list[FrozenTrial]:
    """Complete trials with a finite value that the search measured."""
    return [t for t in summary.trials if t.state is TrialState.COMPLETE and measured(t) and value_of(t) is not None]


def own(summary: Summary) -> list[FrozenTrial]:
    """Trials that are points of the searched space and that the search ran; failed ones too."""
    return [trial for trial in summary.trials if not summary.foreign(trial)]


def table(summary: Summary) -> Table:
    """A row for each finished trial: value, settings, seconds, metrics, diagnostics, why it failed, what is odd about it.

    A study with two metrics also has the value in the second and whether the trial is on the front. A name may occur twice:
    the user's own loop may call its metric "value".
    """
    second, front = summary.second, {trial.number for trial in summary.front}
    metrics, diagnostics = (recorded(summary, key) for key in ("metrics", "diagnostics"))
    settings, noted = [*summary.about["fixed"], *summary.space], ["note"] if summary.notes else []
    rows = []
    for trial in summary.trials:
        chosen, attrs = settings_of(trial, summary.about), trial.user_attrs
        row = [trial.number, trial.state.name.lower(), phase_of(trial, summary), value_of(trial)]
        row += [] if second is None else [second.values.get(trial.number), trial.number in front]
        row += [chosen.get(name) for name in settings] + [attrs.get("seconds")]
        row += [attrs.get("metrics", {}).get(name) for name in metrics]
        row += [attrs.get("diagnostics", {}).get(name) for name in diagnostics]
        rows.append([*row, attrs.get("failure"), *(summary.notes.get(trial.number) for _ in noted)])
    columns = [*COLUMNS, *(() if second is None else SECOND)]
    return Table([*columns, *settings, "seconds", *metrics, *diagnostics, "failure", *noted], rows)


def recorded(summary: Summary, key: str) -> list[str]:
    """Names that any trial has under a user attribute, in the order of their appearance."""
    return list(dict.fromkeys(name for trial in summary.trials for name in trial.user_attrs.get(key, {})))


def to_frame(summary: Summary) -> "pd.DataFrame":
    """The rows as a data frame; if a name occurs twice, a number is added, as in ``value.1``."""
    import pandas as pd  # takes half a second to import; a search need not wait for it

    columns, rows = table(summary)
    return pd.DataFrame(rows, columns=distinct(columns))


def epochs_frame(summary: Summary) -> "pd.DataFrame":
    """A row for each evaluation of each trial: all metrics after it, and its epoch.

    With one evaluation an epoch, that is its number, from 0; with several, the epochs that were gone. Evaluations without a
    known value are left out; so are trials of older studies, which kept only the last epoch's metrics.
    """
    import pandas as pd

    curves = [(trial.number, trial.user_attrs.get(CURVES, [])) for trial in summary.trials]
    rows = [(number, numbered(at, summary.per), row) for number, curve in curves for at, row in enumerate(curve) if row]
    names = list(dict.fromkeys(name for *_, row in rows for name in row))
    columns = distinct(["number", "epoch", *names])
    return pd.DataFrame([[*key, *map(row.get, names)] for *key, row in rows], columns=columns)


def numbered(evaluation: int, per: int) -> float:
    """The epoch of an evaluation in tables: its number, or with several evaluations in an epoch the epochs that were gone.

    Example:
        >>> numbered(2, 1), numbered(2, 2)
        (2, 1.5)
    """
    return evaluation if per == 1 else without_fraction(round(gone(evaluation, per), 6))


def to_csv(summary: Summary) -> str:
    """The rows for ``trials.csv``, with unchanged names."""
    columns, rows = table(summary)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue()


def distinct(names: Sequence[str]) -> list[str]:
    """Names, made unique.

    Example:
        >>> distinct(["value", "K", "value", "value"])
        ['value', 'K', 'value.1', 'value.2']
    """
    found = list[str]()
    for name in names:
        free, count = name, 0
        while free in found:
            count += 1
            free = f"{name}.{count}"
        found.append(free)
    return found
