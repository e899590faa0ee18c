"""How a confirmation shows progress: one line for each run, and how long it may still take."""

import time

from optuna.trial import FrozenTrial

from studies.report.screen import Screen
from studies.results.digits import shown
from studies.running.estimate import duration
from studies.running.stages import Stage, done


class StageWatch:
    """Prints the runs of one stage.

    Args:
        screen: Where.
        stage: The stage.
        most: The runs that it has at most.
        places: Decimals of values.
    """

    def __init__(self, screen: Screen, stage: Stage, most: int, places: int) -> None:
        self.screen, self.stage, self.most, self.places = screen, stage, most, places
        self._began, self._made = time.monotonic(), 0

    def on_finished(self, run: FrozenTrial) -> None:
        """One line for each run."""
        self._made += 1
        made = len(done(self.stage.study))
        what = f"failed: {run.user_attrs.get('failure')}" if run.value is None else shown(run.value, self.places)
        left = (time.monotonic() - self._began) / self._made * (self.most - made)
        more = f", at most {duration(left)} left" if made < self.most else ""
        who = self.stage.arms[run.params["arm"]].who
        self.say(f"{made}/{self.most} seed {run.params['seed']}, {who}: {what}{more}")

    def say(self, line: str) -> None:
        """A line about this stage."""
        self.screen.say(f"{self.stage.kind.replace('_', ' ')} {line}")
