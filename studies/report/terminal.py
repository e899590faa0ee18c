"""What a person reads on a terminal: lines, and the summary of a study."""

from pathlib import Path
from typing import Any

from optuna.trial import TrialState
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from finetune.arguments import as_options
from finetune.words import short
from studies.planning.request import STORAGE
from studies.results.digits import judged, places_of, shown
from studies.results.summary import Summary, settings_of
from studies.running.storage import public

# Of more targets only the first are printed; trials.csv has all.
MANY = 12
# And only so many notes on trials.
NOTES = 5


def say(console: Console, text: str) -> None:
    """Print a line: arguments as options; names from data are never taken for markup, long lines are not cut."""
    console.print(as_options(text), highlight=False, soft_wrap=True, markup=False)


def settings_line(settings: dict[str, Any]) -> str:
    """Settings as name=value."""
    return " ".join(f"{name}={short(value)}" for name, value in settings.items())


def print_summary(console: Console, summary: Summary) -> None:
    """The best trial beside the clean baseline, what matters, and what went wrong."""
    metric, best = summary.metric, summary.best
    counts = [f"{summary.count(s)} {s.name.lower()}" for s in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)]
    say(console, f"\nstudy {summary.study.study_name}: {', '.join(counts)}")
    table = Table("", metric, "settings", box=None, pad_edge=False)
    if best is not None and best.value is not None:
        settings = escape(settings_line(settings_of(best, summary.about)))
        table.add_row(f"best (trial {best.number})", summary.shown(best.value), settings)
    table.add_row("clean baseline", summary.shown(summary.clean), "")
    if summary.constant is not None:
        table.add_row("constant guess", summary.shown(summary.constant), "")
    console.print(table)
    if summary.gain is not None:
        tried = len(summary.trials)
        luck = f": the best of {tried} looks better than it is" if tried > 1 and summary.gain > 0 else ""
        say(console, f"best against clean {judged(summary.gain, summary.places)}, on one seed{luck}")
    for line in summary.unlearned:
        say(console, line)
    print_targets(console, summary)
    print_importances(console, summary)
    for line in summary.idle:
        say(console, line)
    for line in list(summary.notes.values())[:NOTES]:
        say(console, line)
    if len(summary.notes) > NOTES:
        say(console, f"and {len(summary.notes) - NOTES} more trials with a note, in trials.csv")
    for trial, reason in summary.failures[:5]:
        say(console, f"trial {trial} failed: {reason}")


def print_paths(console: Console, paths: list[Path], storage: str) -> None:
    """The files that were written, and what to do with them."""
    for path in paths:
        say(console, f"written: {path}")
        if path.name == "best.yaml":
            say(console, f"train the best: python search.py train {path}")
    line = "" if storage == STORAGE else f" --storage {public(storage)}"
    say(console, f"look at the trials: python search.py dashboard{line}")


def print_targets(console: Console, summary: Summary) -> None:
    """The error of each of several targets, of the best trial and of clean training."""
    if not summary.targets:
        return
    table = Table("rmse of", "best", "clean", box=None, pad_edge=False)
    for name, values in list(summary.targets.items())[:MANY]:
        known = [value for value in values if value is not None]
        places = max(places_of(False, value) for value in known)
        table.add_row(escape(name), *("-" if value is None else shown(value, places) for value in values))
    if len(summary.targets) > MANY:
        table.add_row(f"and {len(summary.targets) - MANY} more", "", "")
    console.print(table)


def print_importances(console: Console, summary: Summary) -> None:
    """The share of each setting with its interval and verdict."""
    if not summary.importances:
        say(console, "importances: too few trials or settings to tell")
        return
    table = Table("setting", "share", "95 % interval", "noise floor", "verdict", box=None, pad_edge=False)
    for row in summary.importances:
        verdict = "matters" if row.evidence else "no evidence"
        table.add_row(escape(row.name), f"{row.share:.2f}", f"{row.low:.2f} - {row.high:.2f}", f"{row.floor:.2f}", verdict)
    console.print(table)
