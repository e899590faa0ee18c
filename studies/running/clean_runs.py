"""Clean training of all runs of a study with folds or seeds, and the clean epochs that its trials share, for each run."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from adv import Clean
from finetune.arguments import arg
from finetune.errors import Diverged, UserError
from finetune.training.epoch import Epoch
from finetune.training.loop import Training
from finetune.training.series import Ended, Part, Series, mean_of
from studies.running.in_turn import InTurn, OnEpoch
from studies.running.luck import Luck, luck_in
from studies.running.objective import fitting
from studies.running.run_files import RunFiles
from studies.running.shared import State, begin, file_name, share, share_evaluation
from studies.running.split_error import pooled_error


class CleanRuns:
    """Clean training of all runs.

    Args:
        series: The runs.
        folder: Where its files are.
        shared: Gives the states of a run that are kept for trials.
        reuse: Whether trials start from the shared evaluations.
        on_epoch: Called after every evaluation.
    """

    def __init__(
        self, series: Series, folder: Path, shared: Callable[[Part], list[State]], reuse: bool, on_epoch: OnEpoch
    ) -> None:
        self.series, self.folder, self.shared, self.reuse = series, folder, shared, reuse
        self.on_epoch, self.files = on_epoch, RunFiles(folder, "clean")
        self._luck: dict[int, Luck] = {}

    def file(self, part: Part, count: int, steps: int = 0) -> Path:
        """The file with the shared state of a run after this many clean evaluations, and steps of the part that follows."""
        return self.folder / file_name(f"clean-run-{part.number}", count, steps)

    def begin(self, part: Part, training: Training) -> None:
        """Let a run of a trial go on from the last shared state before its attack."""
        begin(training, partial(self.file, part))

    def train(self) -> list[Ended]:
        """All runs: read if they are stored, otherwise trained and stored.

        Raises:
            UserError: Clean training fails.
        """
        for part in self.series.parts:
            whole = all(self.file(part, *state).exists() for state in self.shared(part))
            if not self.reuse or not whole:
                self.files.ended(part.number).unlink(missing_ok=True)
        runs = InTurn(self.series, Clean, self.files, self._anew, self._after)
        runs.on_begun = lambda part, training: share(training, partial(self.file, part), self.shared(part))
        try:
            with fitting(" in clean training"):
                found = list(runs)
        except Diverged as error:
            raise UserError(f"clean training diverges ({error}): lower {arg('learning_rate')}") from None
        self.files.clear(len(self.series.parts), ended=False)
        return found

    def known(self) -> list[Ended]:
        """All runs, if they are stored; otherwise none."""
        found = [Ended.load(self.files.ended(part.number), part) for part in self.series.parts]
        return [run for run in found if run is not None] if all(found) else []

    def _anew(self, part: Part, training: Training) -> None:
        self._luck[part.number] = Luck(training)

    def _after(self, part: Part, training: Training, epoch: Epoch) -> None:
        self.on_epoch(part, training, epoch)
        share_evaluation(training, partial(self.file, part), self.shared(part))
        luck = self._luck.get(part.number)  # none for a run that was taken up in its middle
        if luck is not None:
            luck.look()
            if epoch.number + 1 == training.recipe.epochs * training.recipe.evals_per_epoch:
                luck.write(self.folder, luck_file(part))

    def validation(self) -> dict[str, Any]:
        """The number of rows, and as far as they are known the standard error of the metric over them and its luck."""
        runs, metric = self.known(), self.series.metric
        error = pooled_error(self.series, runs) if runs else math.nan
        found = {"rows": len(self.series.task.validation), "error": {metric: error} if math.isfinite(error) else {}}
        luck = [luck_in(self.folder, metric, luck_file(part)) for part in self.series.parts]
        return found | ({"luck": mean_of([each["luck"] for each in luck])} if all(luck) else {})


def luck_file(part: Part) -> str:
    """The name of the file that says how much of the value of a run is luck."""
    return f"clean-run-{part.number}-luck.json"
