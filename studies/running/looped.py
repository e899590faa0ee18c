"""Trials that your own training loop trains."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial

from adv import Clean, Method
from finetune.arguments import arg
from finetune.errors import UserError
from finetune.training.epoch import Epoch
from studies.planning.loop_plan import LoopPlan
from studies.running.objective import Failed, OnEpoch, failing, record, suggest


@dataclass
class Run:
    """One run of your own training loop.

    Args:
        method: The method with this run's settings; the loop trains with ``method.at(epoch)``.
        epochs: How many epochs to train.
        seed: For all randomness in the loop.
        settings: The method's settings, fixed and searched.
        recipe: Other values for the loop, including those searched in this run.
        metric: The name of the reported values.
        place: Path of ``folder``, which may not exist yet.
        trial: The Optuna trial; None for the clean baseline.
        on_epoch: Called with every reported value.

    Attributes:
        history: The reported values.
    """

    method: Method
    epochs: int
    seed: int
    settings: dict[str, Any]
    recipe: dict[str, Any]
    metric: str
    place: Path
    trial: Trial | None
    on_epoch: OnEpoch
    history: list[Epoch] = field(default_factory=list)

    def __post_init__(self) -> None:
        known = self.trial.storage.get_trial(self.trial._trial_id).intermediate_values if self.trial else {}
        self._known = set(known)
        self._before = known
        self._began = time.perf_counter()

    @property
    def folder(self) -> Path:
        """A folder for checkpoints: it survives a kill and is deleted when the run is finished."""
        self.place.mkdir(parents=True, exist_ok=True)
        return self.place

    @property
    def earlier(self) -> list[Epoch]:
        """What was reported before a kill and not again since."""
        again = {epoch.number for epoch in self.history}
        return [
            Epoch(number, {self.metric: value}, {}, None, 0.0)
            for number, value in sorted(self._before.items())
            if number not in again and number < self.epochs
        ]

    def report(self, value: float, epoch: int) -> None:
        """Report a validation value after an epoch; one reported before a kill is not recorded again.

        Args:
            value: The value of the metric.
            epoch: Number of the epoch, from 0.

        Raises:
            TrialPruned: The run is not worth finishing; do not catch it.
            UserError: The epoch or the value is not a number, or this run has no such epoch.
        """
        number, measured = number_of("epoch", epoch), float_of(value)
        if not 0 <= number < self.epochs:
            raise UserError(f"report(value, epoch): epoch is {number}; this run has the epochs 0 to {self.epochs - 1}")
        now = time.perf_counter()
        done = Epoch(number, {self.metric: measured}, self.method.diagnostics(), None, now - self._began)
        self._began = now
        self.history.append(done)
        if self.trial is None:
            self.on_epoch(None, done)
            return
        if number not in self._known:
            self._known.add(number)
            self.trial.report(measured, number)
            self.on_epoch(self.trial, done)
        if number + 1 < self.epochs and self.trial.should_prune():
            raise optuna.TrialPruned

    def end(self, returned: Any) -> float:
        """The value of the run: what the loop returned, or the last reported value if it returned nothing.

        Raises:
            UserError: There is no value, or it is not a number.
        """
        if returned is None and not self.history:
            raise UserError(f"{arg('train')} returned nothing and reported nothing: return the validation value")
        value = self.history[-1].metrics[self.metric] if returned is None else float_of(returned)
        seconds = time.perf_counter() - self._began
        last = self.history.pop() if self.history else Epoch(self.epochs - 1, {}, self.method.diagnostics(), None, seconds)
        self.history.append(replace(last, metrics={self.metric: value}))
        return value


class LoopObjective:
    """Trains trials with your own training loop.

    Args:
        plan: What is searched.
        train: The loop, which takes a ``Run`` and returns its value.
        metric: The name of the value.
        folder: Parent of the runs' folders.
        on_epoch: Called with every reported value.

    Attributes:
        made_under: Versions and device that each trial records, where they differ from the study's.
    """

    def __init__(
        self, plan: LoopPlan, train: Callable[[Run], float | None], metric: str, folder: Path, on_epoch: OnEpoch
    ) -> None:
        self.plan, self.train, self.metric, self.folder, self.on_epoch = plan, train, metric, folder, on_epoch
        self.made_under: dict[str, Any] = {}

    def __call__(self, trial: Trial) -> float:
        """Run the loop once and return the value of the run.

        Raises:
            TrialPruned: The pruner stopped it.
            Failed: The run diverged, ran out of memory, or its settings have no effect on the model.
        """
        params = suggest(trial, self.plan.space)
        method, recipe = self.plan.build(params)
        settings = self.plan.fixed | {name: value for name, value in params.items() if name not in recipe}
        run = self._run(method, settings, recipe, self.folder / f"trial-{trial.number}", trial)
        try:
            with failing():
                return run.end(self.train(run))
        finally:
            record(trial, [*run.earlier, *run.history], self.made_under)

    def baseline(self) -> list[Epoch]:
        """Run the loop with the clean method.

        Raises:
            UserError: Clean training fails.
        """
        run = self._run(Clean(), {}, self.plan.recipe, self.folder / "clean", None)
        try:
            with failing():
                value = run.end(self.train(run))
        except Failed as error:
            raise UserError(f"clean training fails: {error}") from None
        if not math.isfinite(value):
            raise UserError(f"clean training gives {value}: the loop must return a finite number")
        shutil.rmtree(run.place, ignore_errors=True)
        return run.history

    def validation(self, clean: float) -> dict[str, Any]:
        """Nothing is known about the rows of your own loop."""
        return {}

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete the folder of a finished trial."""
        shutil.rmtree(self.folder / f"trial-{trial.number}", ignore_errors=True)

    def _run(
        self, method: Method, settings: dict[str, Any], recipe: dict[str, Any], place: Path, trial: Trial | None
    ) -> Run:
        plan = self.plan
        return Run(method, plan.epochs, plan.seed, settings, dict(recipe), self.metric, place, trial, self.on_epoch)


def float_of(value: Any) -> float:
    """The value as a float; it may be in a tensor or an array.

    Raises:
        UserError: It is not such a number.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"a validation value is {value!r}: a number is needed") from None


def number_of(name: str, value: Any) -> int:
    """The value as a whole number.

    Raises:
        UserError: It is not such a number.
    """
    try:
        whole = int(value)
    except (TypeError, ValueError):
        raise UserError(f"report(value, epoch): {name} is {value!r}: a whole number is needed") from None
    if whole != value:
        raise UserError(f"report(value, epoch): {name} is {value!r}: a whole number is needed")
    return whole
