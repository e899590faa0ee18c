"""The runs of one trial, in their order, whoever trains them."""

import time
from collections.abc import Callable, Iterator

from adv import Method
from finetune.training.epoch import Epoch
from finetune.training.loop import Training
from finetune.training.series import Ended, Part, Series
from studies.running.run_files import RunFiles

# Seconds between two looks at a run that another process trains.
LOOK = 0.5
OnEpoch = Callable[[Part, Training, Epoch], None]


class Given(Exception):
    """The run is not needed any more: its trial has ended."""


class InTurn:
    """Trains the runs of one setting, and reads those that have ended already.

    Args:
        series: The runs.
        method: Makes the method of a run: each has its own.
        files: Where their files are.
        begin: Called with a run that begins: it may load shared evaluations.
        on_epoch: Called after every evaluation; it may raise ``Given``.
        test: Whether models are also asked about the test rows.

    Attributes:
        on_begun: Called with every run that goes on here, before its next step.
        on_ended: Called with every run that was trained here, before it counts as ended.
    """

    def __init__(
        self,
        series: Series,
        method: Callable[[], Method],
        files: RunFiles,
        begin: Callable[[Part, Training], None],
        on_epoch: OnEpoch,
        test: bool = False,
    ) -> None:
        self.series, self.method, self.files, self.test = series, method, files, test
        self.begin, self.on_epoch = begin, on_epoch
        self.on_begun: Callable[[Part, Training], None] = lambda part, training: None
        self.on_ended: Callable[[Part, Training], None] = lambda part, training: None
        # The evaluations of a run that has begun here and not ended, and which it is.
        self.unfinished = list[Epoch]()
        self.under_way: Part | None = None
        self._done: dict[int, Ended] = {}

    def __iter__(self) -> Iterator[Ended]:
        """Yield the runs in their order.

        While another process trains the next one, this process trains those after it.
        """
        parts = self.series.parts
        for part in parts:
            while part.number not in self._done:
                left = [other for other in parts[part.number :] if other.number not in self._done]
                if not any(self.take(other) for other in left):
                    time.sleep(LOOK)
            yield self._done[part.number]

    def take(self, part: Part) -> bool:
        """Read a run that has ended, or train it; returns False if another process trains it."""
        with self.files.claimed(part.number) as mine:
            if not mine:
                return False
            method = self.method()
            mark = self.series.mark(part, method)
            known = Ended.load(self.files.ended(part.number), part, mark)
            self._done[part.number] = self._trained(part, method, mark) if known is None else known
        return True

    def _trained(self, part: Part, method: Method, mark: str) -> Ended:
        training, state = self.series.training(part, method), self.files.state(part.number)
        if not training.load(state, own=True):
            self.begin(part, training)
        self.on_begun(part, training)
        loaded, last = len(training.history), training.recipe.epochs * training.recipe.evals_per_epoch
        self.unfinished, self.under_way = training.history, part
        for epoch in training.epochs():
            if epoch.number >= loaded:
                self.on_epoch(part, training, epoch)
                if epoch.number + 1 < last:
                    training.save(state)
        ended = self.series.ended(part, training, self.test)
        self.on_ended(part, training)
        ended.save(self.files.ended(part.number), mark)
        state.unlink(missing_ok=True)
        self.unfinished, self.under_way = [], None
        return ended
