"""Trials that a loop of one's own trains."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, Trial

from adv import AttackError, Clean, Method, SettingError
from finetune.arguments import arg
from finetune.errors import Diverged, UserError
from finetune.training.loop import Epoch
from studies.planning.loop_plan import LoopPlan
from studies.running.objective import Failed, OnEpoch, record, suggest


@dataclass
class Run:
    """One run of a loop of one's own.

    Args:
        method: With this run's settings; the loop trains with ``method.at(epoch)``.
        epochs: How many to train.
        seed: For whatever the loop draws.
        settings: Of the method, fixed and searched.
        recipe: Further values of the loop; the searched ones are this run's.
        metric: What the reported values are.
        place: Where ``folder`` is, or will be.
        trial: Optuna's; None for the clean baseline.
        on_epoch: Told of every reported value.

    Attributes:
        history: What was reported.
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
        self._began = time.perf_counter()

    @property
    def folder(self) -> Path:
        """A folder for checkpoints: it survives a kill, and goes when the run is finished."""
        self.place.mkdir(parents=True, exist_ok=True)
        return self.place

    def report(self, value: float, epoch: int) -> None:
        """Tell a validation value after an epoch; one that was told before a kill is not told again.

        Args:
            value: Of the metric.
            epoch: Number of the epoch, from 0.

        Raises:
            TrialPruned: The run is not worth finishing; let it pass.
            UserError: The epoch or the value is no number, or the epoch is not one of this run.
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
        """The value of the run: what its loop returned, or reported last where it returned nothing.

        Raises:
            UserError: There is neither, or it is no number.
        """
        if returned is None and not self.history:
            raise UserError(f"{arg('train')} returned nothing and reported nothing: return the validation value")
        value = self.history[-1].metrics[self.metric] if returned is None else float_of(returned)
        seconds = time.perf_counter() - self._began
        last = self.history.pop() if self.history else Epoch(self.epochs - 1, {}, self.method.diagnostics(), None, seconds)
        self.history.append(replace(last, metrics={self.metric: value}))
        return value


class LoopObjective:
    """Trains trials with a loop of one's own.

    Args:
        plan: What is searched.
        train: The loop: takes a ``Run``, returns its value.
        metric: What the value is.
        folder: For the runs' folders.
        on_epoch: Told of every reported value.

    Attributes:
        made_under: What every trial keeps of versions and device, where they are not the study's.
    """

    def __init__(
        self, plan: LoopPlan, train: Callable[[Run], float | None], metric: str, folder: Path, on_epoch: OnEpoch
    ) -> None:
        self.plan, self.train, self.metric, self.folder, self.on_epoch = plan, train, metric, folder, on_epoch
        self.made_under: dict[str, Any] = {}

    def __call__(self, trial: Trial) -> float:
        """Run the loop once; its value is what it returns.

        Raises:
            TrialPruned: The pruner stopped it.
            Failed: It diverged, ran out of memory, or its settings cannot act on the model.
        """
        params = suggest(trial, self.plan.space)
        method, recipe = self.plan.build(params)
        settings = self.plan.fixed | {name: value for name, value in params.items() if name not in recipe}
        run = self._run(method, settings, recipe, self.folder / f"trial-{trial.number}", trial)
        try:
            with failing():
                return run.end(self.train(run))
        finally:
            record(trial, run.history)
            for name, made in self.made_under.items():
                trial.set_user_attr(name, made)

    def baseline(self) -> list[Epoch]:
        """The loop with the clean method.

        Raises:
            UserError: It does not train.
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

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Forget the folder of a finished trial."""
        shutil.rmtree(self.folder / f"trial-{trial.number}", ignore_errors=True)

    def _run(
        self, method: Method, settings: dict[str, Any], recipe: dict[str, Any], place: Path, trial: Trial | None
    ) -> Run:
        plan = self.plan
        return Run(method, plan.epochs, plan.seed, settings, dict(recipe), self.metric, place, trial, self.on_epoch)


@contextmanager
def failing() -> Iterator[None]:
    """Tell what a setting did to a run from a fault of the loop.

    Raises:
        Failed: It diverged, ran out of memory, or cannot act on the model.
    """
    try:
        yield
    except (Diverged, AttackError, SettingError) as error:
        raise Failed(f"{type(error).__name__.lower()}: {error}") from None
    except torch.OutOfMemoryError:
        raise Failed("out of memory: smaller batches or shorter texts need less") from None


def float_of(value: Any) -> float:
    """A number, also one in a tensor or an array.

    Raises:
        UserError: It is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"a validation value is {value!r}: a number is needed") from None


def number_of(name: str, value: Any) -> int:
    """A whole number.

    Raises:
        UserError: It is none.
    """
    try:
        whole = int(value)
    except (TypeError, ValueError):
        raise UserError(f"report(value, epoch): {name} is {value!r}: a whole number is needed") from None
    if whole != value:
        raise UserError(f"report(value, epoch): {name} is {value!r}: a whole number is needed")
    return whole
