"""Trials as figures and tables see them."""

from optuna.trial import FrozenTrial, TrialState

from studies.results.importance import valued
from studies.results.summary import Summary
from studies.running.foreign import measured, taken


def phase_of(trial: FrozenTrial, summary: Summary) -> str:
    """``explore``, ``search``, ``taken over``, or ``foreign``: outside the space, or not measured by a search."""
    if summary.foreign(trial):
        return "foreign"
    if taken(trial):
        return "taken over"
    return "explore" if trial.number < summary.explore else "search"


def value_of(trial: FrozenTrial) -> float | None:
    """Its value, a pruned one's last report; None where there is none, or none that is finite."""
    found = valued([trial])
    return found[0][1] if found else None


def complete(summary: Summary) -> list[FrozenTrial]:
    """Complete trials with a finite value that was measured here."""
    return [t for t in summary.trials if t.state is TrialState.COMPLETE and measured(t) and value_of(t) is not None]


def own(summary: Summary) -> list[FrozenTrial]:
    """Trials that are points of the searched space and were measured here; failed ones too."""
    return [trial for trial in summary.trials if not summary.foreign(trial)]
