"""The runs of a confirmation of a study with folds: one model on each fold, all with one fresh seed."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, Trial

from adv import Method
from finetune.config import Recipe
from finetune.folds import Folds
from finetune.tasks.means import mean_of
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch, value_of
from finetune.training.loop import Training
from finetune.training.series import Ended, Part, Series, stacked
from studies.running.folded import in_run, table
from studies.running.foreign import RUNS
from studies.running.in_turn import InTurn
from studies.running.kept import keep
from studies.running.objective import record
from studies.running.run_files import RunFiles
from studies.running.shared import FileOf, State, begin, file_name, share_evaluation
from studies.running.shared import share as keep_within
from studies.running.stage_runs import MOST, Runs, method_of
from studies.running.stages import Stage, run_of


class FoldedRuns(Runs):
    """Makes the runs of a stage, each of which trains a model on every fold; its value is that of a trial on one seed.

    Predictions of the validation rows are out-of-fold, those of the test rows the mean over the folds.

    Args:
        stage: The stage.
        benches: Data and models.
        folds: The searched study's folds; its seeds are not trained again.
        recipe: The searched study's recipe.
        metric: The metric whose value is the run's value.
        folder: Folder of the study's files.
        keeps: Whether runs keep their predictions of the validation and test rows.
        made_under: Versions and device that each run records, where they differ from the study's.
    """

    def __init__(
        self,
        stage: Stage,
        benches: Benches,
        folds: Folds,
        recipe: Recipe,
        metric: str,
        folder: Path,
        keeps: bool,
        made_under: dict[str, Any],
    ) -> None:
        super().__init__(stage, benches.whole, recipe, metric, folder, False, made_under)
        self.benches, self.folds, self.asked = benches, folds.model_copy(update={"seeds": 1}), keeps
        self.series = Series(benches, self.folds, recipe, metric)

    def _made(self, trial: Trial, method: Method, recipe: Recipe, share: bool) -> float:
        series = self.series.like(recipe)
        arm = self.stage.arms[run_of(trial)[0]]
        known = set(trial.storage.get_trial(trial._trial_id).intermediate_values)

        def file(part: Part) -> FileOf:
            return partial(self._of_fold, recipe.seed, part.fold)

        def missing(part: Part, training: Training) -> set[State]:
            return {state for state in self.states(training) if share and not file(part)(*state).exists()}

        def begin_shared(part: Part, training: Training) -> None:
            if share:
                begin(training, file(part), self.states(training))

        def after(part: Part, training: Training, epoch: Epoch) -> None:
            share_evaluation(training, file(part), missing(part, training))

        runs = InTurn(series, lambda: method_of(arm), self._files(trial.number), begin_shared, after, self.asked)
        runs.on_begun = lambda part, training: keep_within(training, file(part), missing(part, training))
        ended, history, values = list[Ended](), list[Epoch](), list[float]()
        try:
            with in_run(runs):
                for run in runs:
                    history = series.combined([*ended, run])  # a metric of the user's own may fail
                    ended.append(run)
                    values.append(value_of(history, self.metric))
                    if run.part.number not in known and np.isfinite(values[-1]):
                        trial.report(values[-1], run.part.number)
            if self.asked:
                self._keep_all(trial, series, ended)
        finally:
            record(trial, history or runs.unfinished, self.made_under)
            trial.set_user_attr(RUNS, table(ended, values))
        return values[-1]

    def _keep_all(self, trial: Trial, series: Series, ended: Sequence[Ended]) -> None:
        """Keep the predictions of all rows; what is chosen on the validation rows holds for the test rows."""
        raw, labels, kind = series.raw(ended)[0], series.task.validation.labels, series.kind
        tests = [run.test for run in ended if run.test is not None]
        test = kind.decided(mean_of(kind, list(stacked([one[None] for one in tests]))))
        if kind.settles:
            test = kind.settled(test, kind.settle(labels, kind.decided(raw)))
        found = {"validation": series.output(raw, labels), "test": test}
        if sum(array.nbytes for array in found.values()) <= MOST:
            for name, array in found.items():
                keep(trial, name, array)

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete the files of a finished run."""
        self._files(trial.number).clear(len(self.series.parts))

    def _files(self, number: int) -> RunFiles:
        return RunFiles(self.folder, f"{self.stage.kind}-{number}")

    def _of_fold(self, seed: int, fold: int, count: int, steps: int = 0) -> Path:
        return self.folder / file_name(f"seed-{seed}-fold-{fold}", count, steps)


def runs_for(
    stage: Stage,
    benches: Benches,
    folds: Folds,
    recipe: Recipe,
    metric: str,
    folder: Path,
    keeps: bool,
    made_under: dict[str, Any],
) -> Runs:
    """What makes the runs of a stage: on every fold, where there are folds. Arguments as for ``FoldedRuns``."""
    if benches.task.folds > 1:
        return FoldedRuns(stage, benches, folds, recipe, metric, folder, keeps, made_under)
    return Runs(stage, benches.whole, recipe, metric, folder, keeps, made_under)
