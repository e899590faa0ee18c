"""How a confirmation shows progress: a line for each run, and a bar with the time left; without a bar the line has it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from optuna.trial import FrozenTrial

from studies.report.bar import Bar, moving
from studies.report.progress import ended
from studies.report.screen import Screen
from studies.results.digits import shown
from studies.running.estimate import duration
from studies.running.stages import PARTS, VERDICT, Stage, done


class StageWatch:
    """Shows the runs of one stage.

    Args:
        screen: Where.
        stage: The stage.
        most: The runs that it has at most.
        places: Decimals of values.
    """

    def __init__(self, screen: Screen, stage: Stage, most: int, places: int) -> None:
        self.screen, self.stage, self.most, self.places = screen, stage, most, places
        self._began, self._made = time.monotonic(), 0
        self._bar: Bar | None = None
        self._waited = False

    @property
    def kind(self) -> str:
        """The stage in words."""
        return self.stage.kind.replace("_", " ")

    @property
    def _text(self) -> str:
        return f"{self.kind}, at most" if self.stage.kind in (VERDICT, PARTS) else self.kind  # they may need fewer runs

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep a bar on the screen, if one can move there."""
        with moving(self.screen, self._text, self.most, len(done(self.stage.study))) as self._bar:
            yield
        self._bar = None

    def on_finished(self, run: FrozenTrial) -> None:
        """One line for each run."""
        if not self._made and run.datetime_start is not None:  # what comes before the runs happens once
            since = (datetime.now() - run.datetime_start).total_seconds()
            self._began = max(self._began, time.monotonic() - since)
        self._made += 1
        # Not all that are done: two workers' runs may have ended before the first of them is told.
        made = sum(ended(one) <= ended(run) for one in done(self.stage.study))
        what = f"failed: {run.user_attrs.get('failure')}" if run.value is None else shown(run.value, self.places)
        line = f"{made}/{self.most} seed {run.params['seed']}, {self.stage.arms[run.params['arm']].who}: {what}"
        if self._bar is not None:
            self._bar.update(self._text, made)
        elif made < self.most:
            left = (time.monotonic() - self._began) / self._made * (self.most - made)
            line += f", at most {duration(left)} left"
        self.say(line)

    def say(self, line: str) -> None:
        """A line about this stage; that it waits for other processes is said once."""
        waits = line.startswith("waiting ")
        if waits and self._waited:
            return
        self._waited |= waits
        self.screen.say(f"{self.kind} {line}")
