"""The runs of a confirmation: as trials of the search, with another seed, and with predictions that are kept."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, Trial

from adv import METHODS, Method, SettingError
from finetune.config import Recipe, checked
from finetune.training.bench import Bench, scoring
from finetune.training.epoch import value_of
from finetune.training.loop import Training
from finetune.training.steps import clean_steps
from studies.planning.loop_plan import LoopPlan
from studies.running.kept import keep
from studies.running.looped import Run
from studies.running.objective import failing, record
from studies.running.shared import State, begin, file_name, share_evaluation
from studies.running.shared import share as keep_within
from studies.running.stages import Arm, Share, Stage, run_of

# The sum of both splits' predictions of a run, in bytes, that a database is asked to keep.
MOST = 4 * 2**20


def method_of(arm: Arm) -> Method:
    """The method of an arm.

    Raises:
        SettingError: A setting is not allowed any more.
    """
    method = METHODS[arm.method](**arm.settings)
    rival = method.rival() if arm.rival else method
    if rival is None:
        raise SettingError(f"{arm.method} has no control")
    return rival


class Runs:
    """Makes the runs of a stage with the built-in training loop.

    Args:
        stage: The stage.
        bench: Data and models.
        recipe: The searched study's recipe.
        metric: The metric whose value is the run's value.
        folder: Folder of the study's files.
        keeps: Whether runs keep their predictions of the validation and test rows.
        made_under: Versions and device that each run records, where they differ from the study's.

    Attributes:
        share: Has workers make the runs; None makes them here.
    """

    def __init__(
        self,
        stage: Stage,
        bench: Bench,
        recipe: Recipe,
        metric: str,
        folder: Path,
        keeps: bool,
        made_under: dict[str, Any],
    ) -> None:
        self.stage, self.bench, self.recipe, self.metric = stage, bench, recipe, metric
        self.folder, self.keeps, self.made_under = folder, keeps, made_under
        self.starts = {method_of(arm).start_epoch for arm in stage.arms if not arm.recipe}
        self.test = bench.encode(bench.task.test) if keeps else None
        self.share: Share | None = None

    def __call__(self, trial: Trial) -> float:
        """Make one run and return its value.

        Raises:
            Failed: It diverged, ran out of memory, or its settings have no effect on the model.
        """
        index, seed = run_of(trial)
        arm = self.stage.arms[index]
        with failing():
            method = method_of(arm)
            recipe = checked(Recipe, self.recipe.model_dump() | arm.recipe | {"seed": seed})
            return self._made(trial, method, recipe, share=not arm.recipe)

    def _made(self, trial: Trial, method: Method, recipe: Recipe, share: bool) -> float:
        return self._train(trial, Training(self.bench, recipe, method, self.metric), share)

    def _train(self, trial: Trial, training: Training, share: bool) -> float:
        recipe = training.recipe
        snapshot, known = self._snapshot(trial.number), set(trial.storage.get_trial(trial._trial_id).intermediate_values)
        file, states = partial(self._shared, recipe.seed), self.states(training) if share else set[State]()
        if not training.load(snapshot, own=True) and share:
            begin(training, file, states)
        missing = {state for state in states if not file(*state).exists()}
        keep_within(training, file, missing)
        loaded = len(training.history)
        try:
            for epoch in training.epochs():
                if epoch.number not in known:
                    trial.report(epoch.metrics[self.metric], epoch.number)
                ended = epoch.number + 1
                if loaded < ended < recipe.epochs * recipe.evals_per_epoch:
                    training.save(snapshot)
                    share_evaluation(training, file, missing)
            self._keep(trial, training)
        finally:
            record(trial, training.history, self.made_under)
        return value_of(training.history, self.metric)

    def states(self, training: Training) -> set[State]:
        """The states of clean training that the runs of its seed share: those at which an attack begins."""
        return {clean_steps(start, training.bench.train, training.recipe) for start in self.starts} - {(0, 0)}

    def _keep(self, trial: Trial, training: Training) -> None:
        """Keep the predictions; labels of test rows are not read."""
        if self.test is None:
            return
        with training.scored():
            test = self.bench.predict(training.model, self.test, *scoring(training.recipe))
        found = {"validation": self.bench.settled(training.outputs()), "test": test}
        if sum(array.nbytes for array in found.values()) <= MOST:
            for name, array in found.items():
                keep(trial, name, array)

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete the snapshot of a finished run."""
        self._snapshot(trial.number).unlink(missing_ok=True)

    def forget(self, seed: int) -> None:
        """Delete the shared clean epochs of a seed whose runs are finished."""
        for path in self.folder.glob(f"seed-{seed}-*.safetensors"):
            path.unlink(missing_ok=True)

    def _snapshot(self, number: int) -> Path:
        return self.folder / f"{self.stage.kind}-{number}.safetensors"

    def _shared(self, seed: int, count: int, steps: int = 0) -> Path:
        return self.folder / file_name(f"seed-{seed}", count, steps)


class LoopRuns:
    """Makes the runs of a stage with the user's own loop; there are no predictions to keep.

    Args:
        stage: The stage.
        plan: What was searched.
        train: The loop.
        metric: The name of its value.
        folder: Parent of the runs' folders.
        made_under: Versions and device that each run records, where they differ from the study's.

    Attributes:
        share: Has workers make the runs; None makes them here.
    """

    def __init__(
        self,
        stage: Stage,
        plan: LoopPlan,
        train: Callable[[Run], float | None],
        metric: str,
        folder: Path,
        made_under: dict[str, Any],
    ) -> None:
        self.stage, self.plan, self.train, self.metric = stage, plan, train, metric
        self.folder, self.made_under = folder, made_under
        self.share: Share | None = None

    def __call__(self, trial: Trial) -> float:
        """Run the loop once and return the value of the run.

        Raises:
            Failed: The run diverged, ran out of memory, or its settings have no effect on the model.
        """
        index, seed = run_of(trial)
        arm, plan = self.stage.arms[index], self.plan
        with failing():
            method = method_of(arm)
        recipe = plan.recipe | {name: value for name, value in arm.recipe.items() if name != "epochs"}
        epochs = int(arm.recipe.get("epochs", plan.epochs))
        place = self._place(trial.number)
        run = Run(method, epochs, seed, arm.settings, recipe, self.metric, place, trial, lambda *_: None)
        try:
            with failing():
                return run.end(self.train(run))
        finally:
            record(trial, [*run.earlier, *run.history], self.made_under)

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete the folder of a finished run."""
        shutil.rmtree(self._place(trial.number), ignore_errors=True)

    def forget(self, seed: int) -> None:
        """Nothing is shared between runs of an own loop."""

    def _place(self, number: int) -> Path:
        return self.folder / f"{self.stage.kind}-{number}"
