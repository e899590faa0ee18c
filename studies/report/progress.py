"""How a search shows progress: a bar on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from finetune.training.epoch import Epoch, value_of, words
from finetune.words import short
from studies.report.bar import Bar, moving
from studies.report.screen import Screen
from studies.results.digits import PLACES, shown
from studies.results.sentences import settings_line
from studies.running.foreign import measured

if TYPE_CHECKING:
    from finetune.training.series import Part

# Running trials that fit into the bar.
AT_ONCE = 3


def ended(trial: FrozenTrial) -> tuple[datetime, int]:
    """The order in which trials ended."""
    return trial.datetime_complete or datetime.max, trial.number


class Numbered(Protocol):
    """A trial, as far as progress shows it."""

    @property
    def number(self) -> int:
        """Its number."""


@dataclass(frozen=True)
class Seen:
    """A trial of a worker."""

    number: int


class Watch:
    """Shows the progress of a search.

    Args:
        screen: Where it is shown.
        metric: Name of the value.
        maximize: Whether a higher value is better.
        total: Finished trials at the end.
        seen: Trials that are already finished.
        places: Decimals of values.
        second: The second metric, if the study has two.

    Attributes:
        per: Evaluations in an epoch.
        epochs: Epochs of clean training, if they are known.
        workers: How many trials run at once.
    """

    def __init__(
        self,
        screen: Screen,
        metric: str,
        maximize: bool,
        total: int,
        seen: list[FrozenTrial],
        places: int = PLACES,
        second: str | None = None,
    ) -> None:
        self.second = second
        self.per = 1
        self.epochs: int | None = None
        self.workers = 1
        self.screen, self.metric, self.maximize, self.total = screen, metric, maximize, total
        self.known = self.done = len(seen)
        self.places = places
        self.clean: float | None = None
        self.best: tuple[float, int] | None = None
        for trial in seen:
            self._better(trial)
        self._began, self._first = time.monotonic(), self.done
        self._bar: Bar | None = None
        self._now: dict[int, str] = {}

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the bar on the screen, if there is one."""
        with moving(self.screen, self._state(), self.total, self.done) as self._bar:
            yield
        self._bar = self._bar if self.screen.notebook else None

    def on_epoch(self, trial: Numbered | None, epoch: Epoch) -> None:
        """Name the running trial in the bar; print a line after each evaluation of the baseline."""
        value = epoch.metrics[self.metric]
        if trial is None:
            self.clean = value_of([epoch], self.metric)
            here = words(epoch.number, self.per, self.epochs)
            self.screen.say(f"clean baseline, {here}: {self.metric} {shown(value, self.places)}")
        else:
            self._under_way(trial.number, f"{words(epoch.number, self.per)}: {shown(value, self.places)}")

    def on_run(self, trial: Numbered | None, part: "Part", many: int, epoch: Epoch) -> None:
        """As ``on_epoch`` for a run of several; a line for each run of the baseline, not for each of its evaluations.

        Args:
            trial: Its trial; None for the baseline.
            part: The run.
            many: How many runs there are.
            epoch: The evaluation.
        """
        run = f"run {part.number + 1} of {many}"
        value = epoch.metrics.get(self.metric, math.nan)
        if trial is None and self.epochs is not None and epoch.number + 1 == self.epochs * self.per:
            value = value_of([epoch], self.metric)
            self.screen.say(f"clean baseline, {run}: {self.metric} {shown(value, self.places)}")
        elif trial is not None:
            self._under_way(trial.number, f"{run}, {words(epoch.number, self.per)}: {shown(value, self.places)}")

    def on_event(self, event: tuple[Any, ...]) -> None:
        """An evaluation that a worker reports: as ``on_epoch`` and ``on_run``, with the number of the trial."""
        match event:
            case ("epoch", number, epoch):
                self.on_epoch(None if number is None else Seen(number), epoch)
            case ("run", number, part, many, epoch):
                self.on_run(None if number is None else Seen(number), part, many, epoch)

    def _under_way(self, number: int, where: str) -> None:
        """Say in the bar where the running trials stand: those of the latest evaluations."""
        self._now.pop(number, None)
        self._now[number] = f"trial {number} {where}"
        self._show()

    def _show(self) -> None:
        if self._bar is not None:
            latest = sorted(list(self._now.items())[-self.workers :][-AT_ONCE:])
            self._bar.update(" | ".join([self._state(), *(text for _, text in latest)]), self.done)

    def on_finished(self, trial: FrozenTrial, everyone: Sequence[FrozenTrial] = ()) -> None:
        """One line for each trial of this command; those that other commands have finished before it are counted, too.

        Args:
            trial: The trial.
            everyone: All finished trials of the study.
        """
        if self.done == self._first and trial.datetime_start is not None:  # what comes before the trials happens once
            since = (datetime.now() - trial.datetime_start).total_seconds()
            self._began = max(self._began, time.monotonic() - since)
        # Others' clocks may be in another time zone; only of a trial of a worker one hears later than of the next ones.
        known = [one for one in everyone if self.workers == 1 or ended(one) <= ended(trial)]
        self.done = max(self.done + 1, len(known))
        self._now.pop(trial.number, None)
        for one in [*known, trial]:
            self._better(one)
        state, values = trial.state.name.lower(), trial.values or [trial.intermediate_values.get(trial.last_step or 0)]
        what = shown(values[0], self.places) if values[0] is not None else "-"
        what += f", {self.second} {short(values[1])}" if self.second and len(values) > 1 else ""
        if trial.state is TrialState.FAIL:
            what = f"failed: {trial.user_attrs.get('failure')}"
        elif trial.state is not TrialState.COMPLETE:
            what += f" ({state})"
        line = f"trial {trial.number:>3} {what} {settings_line(trial.params)}"
        if self._bar is None:
            line += f" | {self.done}/{self.total}, {self._state()}{self._left()}"
        self._show()
        self.screen.say(line)

    def _better(self, trial: FrozenTrial) -> None:
        if trial.state is not TrialState.COMPLETE or not trial.values or not measured(trial):
            return
        value = trial.values[0]
        if self.best is None or ((value > self.best[0]) == self.maximize and value != self.best[0]):
            self.best = (value, trial.number)
        elif value == self.best[0]:  # as in the summary; of several workers a later trial may end first
            self.best = (value, min(trial.number, self.best[1]))

    def _state(self) -> str:
        best = "none yet" if self.best is None else f"{shown(self.best[0], self.places)} (trial {self.best[1]})"
        return f"best {best}" + ("" if self.clean is None else f", clean {shown(self.clean, self.places)}")

    def _left(self) -> str:
        if self.done >= self.total:
            return ""
        under_way = min(self.workers, self.total - self._first) - 1  # nearly done, too
        each = (time.monotonic() - self._began) / max(1, self.done - self._first + under_way)
        left = each * (self.total - self.done)
        return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"
