"""What a search prints: a progress bar on a terminal, plain lines elsewhere, and the summary at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from finetune.arguments import as_options
from finetune.training.loop import Epoch
from studies.results.digits import PLACES, judged, places_of, shown
from studies.results.summary import Summary, settings_of
from studies.running.foreign import measured

# Of more targets only the first are printed; trials.csv has all.
MANY = 12
# And only so many notes on trials.
NOTES = 5


def say(console: Console, text: str) -> None:
    """Print a line: arguments as options; names from data are never taken for markup, long lines are not cut."""
    console.print(as_options(text), highlight=False, soft_wrap=True, markup=False)


def number(value: Any) -> str:
    """A setting, short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings_line(settings: dict[str, Any]) -> str:
    """Settings as name=value."""
    return " ".join(f"{name}={number(value)}" for name, value in settings.items())


class Watch:
    """Shows how a search goes on.

    Args:
        console: Where.
        metric: Name of the value.
        maximize: Its direction.
        total: Finished trials at the end.
        seen: Trials that are finished already.
        places: Decimals of values.
    """

    def __init__(
        self,
        console: Console,
        metric: str,
        maximize: bool,
        total: int,
        seen: list[FrozenTrial],
        places: int = PLACES,
    ) -> None:
        self.console, self.metric, self.maximize, self.total = console, metric, maximize, total
        self.done, self.places = len(seen), places
        self.clean: float | None = None
        self.best: tuple[float, int] | None = None
        for trial in seen:
            self._better(trial)
        self._began, self._first = time.monotonic(), self.done
        self._bar: Progress | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the bar on the screen, where there is one."""
        if not self.console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as self._bar:
            self._task = self._bar.add_task(self._state(), total=self.total, completed=self.done)
            yield
        self._bar = None

    def on_epoch(self, trial: Trial | None, epoch: Epoch) -> None:
        """The bar names the trial under way; the baseline gets a line after each epoch."""
        value = epoch.metrics[self.metric]
        if trial is None:
            self.clean = value
            say(self.console, f"clean baseline, epoch {epoch.number + 1}: {self.metric} {shown(value, self.places)}")
        elif self._bar is not None:
            here = f"trial {trial.number} epoch {epoch.number + 1}: {shown(value, self.places)}"
            self._bar.update(self._task, description=f"{self._state()} | {here}")

    def on_finished(self, trial: FrozenTrial) -> None:
        """One line for each trial."""
        self.done += 1
        self._better(trial)
        state = trial.state.name.lower()
        value = trial.value if trial.value is not None else trial.intermediate_values.get(trial.last_step or 0)
        what = shown(value, self.places) if value is not None else "-"
        if trial.state is TrialState.FAIL:
            what = f"failed: {trial.user_attrs.get('failure')}"
        elif trial.state is not TrialState.COMPLETE:
            what += f" ({state})"
        line = f"trial {trial.number:>3} {what} {settings_line(trial.params)}"
        if self._bar is None:
            line += f" | {self.done}/{self.total}, {self._state()}{self._left()}"
        else:
            self._bar.update(self._task, completed=self.done, description=self._state())
        say(self.console, line)

    def _better(self, trial: FrozenTrial) -> None:
        if trial.state is not TrialState.COMPLETE or trial.value is None or not measured(trial):
            return
        if self.best is None or ((trial.value > self.best[0]) == self.maximize and trial.value != self.best[0]):
            self.best = (trial.value, trial.number)

    def _state(self) -> str:
        best = "none yet" if self.best is None else f"{shown(self.best[0], self.places)} (trial {self.best[1]})"
        return f"best {best}" + ("" if self.clean is None else f", clean {shown(self.clean, self.places)}")

    def _left(self) -> str:
        if self.done >= self.total:
            return ""
        each = (time.monotonic() - self._began) / max(1, self.done - self._first)
        left = each * (self.total - self.done)
        return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"


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
