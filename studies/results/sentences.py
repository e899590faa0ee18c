"""What a study says in sentences, the same on the terminal, in the report and in a notebook."""

from typing import Any

from optuna.trial import TrialState

from finetune.tasks.metrics import viewed
from finetune.training.epoch import metrics_of
from finetune.words import counted, short
from studies.planning.directions import SECOND
from studies.results.careful import careful
from studies.results.digits import judged
from studies.results.folded import seeds_told
from studies.results.scored import before_attack
from studies.results.summary import Summary
from studies.results.trials import complete

# Only this many notes on trials and failed trials are printed; trials.csv has all.
MOST = 5
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def counts(summary: Summary) -> str:
    """Trials by state, such as "14 complete, 2 pruned, 1 failed", and those that a process still runs, or was killed in."""
    found = ", ".join(f"{summary.count(state)} {name}" for name, state in STATES.items())
    begun = len(summary.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
    return found + (f", {begun} begun and not finished" if begun else "")


def against_clean(summary: Summary) -> str | None:
    """The best trial against clean training, and how far to trust that; None if no trial is complete."""
    if summary.gain is None:
        return None
    tried = len(complete(summary))
    luck = f": the best of {tried} looks better than it is" if tried > 1 and summary.gain > 0 else ""
    if summary.best is not None and before_attack(summary.best, summary):
        luck = ": its value was reached before its attack began"
    return f"best against clean {judged(summary.gain, summary.places)}, on {seeds_told(summary)}{luck}"


def other_views(summary: Summary) -> list[str]:
    """The best trial and clean training in the views that the study records beside the one that it searches."""
    here, plain = viewed(summary.metric)
    names = [f"{view}_{plain}" if view else plain for view in ("", *summary.about.get("record", [])) if view != here]
    names = [name for name in names if name != summary.about.get(SECOND)]  # the front has it
    best = {} if summary.best is None else summary.best.user_attrs.get("metrics", {})
    clean = metrics_of(summary.baseline)
    return [
        f"{name}: best {summary.shown(best[name])}, clean {summary.shown(clean[name])} (recorded, not searched)"
        for name in names
        if (here or "record" in summary.about) and name in best and name in clean
    ]


def settings_line(settings: dict[str, Any]) -> str:
    """Settings as name=value."""
    return " ".join(f"{name}={short(value)}" for name, value in settings.items())


def warnings(summary: Summary) -> list[str]:
    """What to know before relying on it: a careful colleague's warnings, idle settings, odd trials, failed ones."""
    failed = [f"trial {trial} failed: {reason}" for trial, reason in summary.failures]
    return [
        *careful(summary),
        *summary.idle,
        *first(list(summary.notes.values()), "with a note"),
        *first(failed, "that failed"),
    ]


def first(lines: list[str], which: str) -> list[str]:
    """The first lines about trials; if there are more, a line says how many, and where they are."""
    left = len(lines) - MOST
    return [*lines[:MOST], *([f"and {counted(left, 'more trial')} {which}, in trials.csv"] if left > 0 else [])]
