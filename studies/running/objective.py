"""One trial: start or continue it, train, report, prune; and the clean baseline that all trials share."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial

from adv import AttackError, Clean, SettingError
from finetune.arguments import arg
from finetune.errors import Diverged, UserError, first_line
from finetune.tasks.own_metric import OwnFault
from finetune.training.bench import Bench
from finetune.training.epoch import Epoch, metrics_of, read, stored, value_of
from finetune.training.loop import Training
from spaces import Space
from studies.calibrating.measured import trained_until
from studies.planning.plan import Plan
from studies.planning.words import quoted, wide
from studies.running.claims import Claimed
from studies.running.foreign import CHOSEN, CURVES, enqueued, holding, is_table, taken_as_given, usable
from studies.running.keeper import Keeper
from studies.running.luck import Luck, luck_in
from studies.running.predictions import leads, predictions_file, write_predictions
from studies.running.prefix import prefix_key
from studies.running.shared import State, begin, file_name, share, share_evaluation, states_of
from studies.running.split_error import validation, write_output
from studies.running.two_metrics import Value, reached
from studies.running.whole import write_whole

OnEpoch = Callable[[Trial | None, Epoch], None]


class Failed(Exception):
    """A trial ended without a value; the study stores the message as the reason."""


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Draw every setting of the space; an enqueued trial has its own, inside or outside the range.

    Raises:
        Failed: An enqueued setting is of another kind.
    """
    frozen = trial.storage.get_trial(trial._trial_id)
    given = enqueued(frozen) | frozen.params
    for name, dist in space.items():
        if name in given and not usable(dist, given[name]):
            kind = "whole numbers of " if isinstance(dist, IntDistribution) else ""
            raise Failed(f"it was enqueued with {name} {quoted(given[name])}, and searched is {kind}{wide(dist)}")
    try:
        with taken_as_given(), trial.together() if isinstance(trial, Claimed) else nullcontext():
            for name, declared in space.items():
                dist = declared if name in given else holding(declared, trial.relative_params.get(name))
                match dist:
                    case FloatDistribution():
                        trial.suggest_float(name, dist.low, dist.high, step=dist.step, log=dist.log)
                    case IntDistribution():
                        trial.suggest_int(name, dist.low, dist.high, step=dist.step, log=dist.log)
                    case CategoricalDistribution():
                        trial.suggest_categorical(name, dist.choices)
    except ValueError as error:
        if not given:
            raise
        raise Failed(f"it was enqueued with settings of another kind: {first_line(error)}") from None
    return {name: kind_of(space[name])(value) for name, value in trial.params.items() if name in space}


def kind_of(distribution: BaseDistribution) -> Callable[[Any], Any]:
    """The type to convert an enqueued number to: 2 and 2.0 are the same setting."""
    kinds: dict[type, Callable[[Any], Any]] = {IntDistribution: int, FloatDistribution: float}
    return kinds.get(type(distribution), lambda value: value)


class Objective:
    """Trains trials of one plan.

    Args:
        plan: What is searched.
        metric: The metric whose value is the trial's value.
        bench: Data and models.
        folder: Folder for the trials' snapshots.
        prefixes: Folder for the clean epochs that all trials and methods share.
        on_epoch: Called after every evaluation.
        reuse: Whether trials start from the shared clean epochs.
        second: The second metric, if the study has two.

    Attributes:
        made_under: Versions and device that each trial records, where they differ from the study's.
        keeper: Keeps the models of the best trials; None if none is kept.
        say: Called with a line about a trial that begins again.
    """

    def __init__(
        self,
        plan: Plan,
        metric: str,
        bench: Bench,
        folder: Path,
        prefixes: Path,
        on_epoch: OnEpoch,
        reuse: bool = True,
        second: str | None = None,
    ) -> None:
        self.plan, self.metric, self.bench, self.second = plan, metric, bench, second
        self.folder, self.on_epoch, self.reuse = folder, on_epoch, reuse
        self.prefix = prefixes / prefix_key(bench, plan.recipe, metric)
        self.made_under: dict[str, Any] = {}
        self.keeper: Keeper | None = None
        self.say: Callable[[str], None] = lambda line: None

    def __call__(self, trial: Trial) -> Value:
        """Train one trial; its value is that of the run in the metric, and in the second metric if there is one.

        Raises:
            TrialPruned: The pruner stopped it.
            Failed: The trial diverged, ran out of memory, or its settings have no effect on the model.
        """
        params = suggest(trial, self.plan.space)
        method, recipe = self.plan.build(params)
        training = Training(self.bench, recipe, method, self.metric)
        snapshot = self.folder / f"trial-{trial.number}.safetensors"
        there, missing = training.load(snapshot, own=True), list[State]()
        if self.reuse and recipe == self.plan.recipe:
            # Clean training may have been on another machine, or its states were deleted.
            missing = [state for state in self._shared() if not self.clean_file(*state).exists()]
            if not there:
                self._begin(training)
            share(training, self.clean_file, missing)
        loaded, last = len(training.history), recipe.epochs * recipe.evals_per_epoch
        known = set(trial.storage.get_trial(trial._trial_id).intermediate_values)
        if not there and loaded < len(known):
            self.say(begins_again(trial.number))
        try:
            with failing():
                for epoch in training.epochs():
                    if epoch.number not in known:
                        if self.second is None:  # with two objectives Optuna takes no reports
                            trial.report(epoch.metrics[self.metric], epoch.number)
                        self.on_epoch(trial, epoch)
                    share_evaluation(training, self.clean_file, missing)
                    if epoch.number + 1 < last:
                        if self.second is None and trial.should_prune():
                            raise optuna.TrialPruned
                        if epoch.number >= loaded:
                            training.save(snapshot)
                value = value_of(training.history, self.metric)
                if leads(trial, value):
                    write_predictions(training, predictions_file(self.folder, trial.number))
                if self.keeper is not None:
                    self.keeper.keep(trial, params, value, training)
        finally:
            record(trial, training.history, self.made_under)
        return value if self.second is None else (value, reached(training.history, self.second))

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete the snapshot of a finished trial."""
        (self.folder / f"trial-{trial.number}.safetensors").unlink(missing_ok=True)

    def _begin(self, training: Training) -> None:
        """Go on from the last shared state of clean training before the attack."""
        begin(training, self.clean_file)

    def _shared(self) -> list[State]:
        """The states of clean training that trials go on from."""
        return [] if self.plan.tuned else states_of(self.plan, lambda: self.bench.train)

    def clean_file(self, count: int, steps: int = 0) -> Path:
        """The file with the shared state after this many clean evaluations, and steps of the part that follows."""
        return self.prefix / file_name("clean", count, steps)

    def clean_state(self, count: int) -> Training:
        """Clean training after so many evaluations: read if that is stored, otherwise trained."""
        training = Training(self.bench, self.plan.recipe, Clean(), self.metric)
        return trained_until(count, training, self.clean_file(count) if self.reuse else None)

    def baseline(self) -> list[Epoch]:
        """Clean training with the plan's recipe: read if it is stored, otherwise trained and stored.

        Raises:
            UserError: Clean training fails.
        """
        record_file = self.prefix / "clean.json"
        shared = self._shared() if self.reuse else []
        known = read_epochs(record_file) if self.reuse else []
        # A search without shared epochs stores the values but no snapshots.
        if known and all(self.clean_file(*state).exists() for state in shared):
            return known
        training = Training(self.bench, self.plan.recipe, Clean(), self.metric)
        luck = Luck(training)
        share(training, self.clean_file, shared)
        try:
            with fitting(" in clean training"):
                for epoch in training.epochs():
                    luck.look()
                    self.on_epoch(None, epoch)
                    share_evaluation(training, self.clean_file, shared)
        except Diverged as error:
            raise UserError(f"clean training diverges ({error}): lower {arg('learning_rate')}") from None
        luck.write(self.prefix)
        write_output(training, self.metric, self.prefix)
        write_whole(record_file, json.dumps([stored(epoch) for epoch in training.history]))
        return training.history

    def validation(self, clean: float) -> dict[str, Any]:
        """The number of validation rows, and the standard error that it gives the value of clean training."""
        return validation(self.bench.task, self.metric, clean, self.prefix) | luck_in(self.prefix, self.metric)


def begins_again(number: int) -> str:
    """The line about a trial that was begun before, and whose state is gone."""
    return f"trial {number} is trained again: where it stood is not on this disk; its values will be the same"


@contextmanager
def failing() -> Iterator[None]:
    """Separate failures caused by a setting from bugs in the loop.

    Raises:
        Failed: The run diverged, ran out of memory, or its settings have no effect on the model.
    """
    try:
        yield
    except (Diverged, AttackError, SettingError) as error:
        raise Failed(f"{type(error).__name__.lower()}: {error}") from None
    except torch.OutOfMemoryError:
        raise Failed("out of memory: smaller batches or shorter texts need less") from None
    except OwnFault as error:
        raise Failed(str(error)) from None


@contextmanager
def fitting(where: str = "") -> Iterator[None]:
    """Turn a lack of memory into an error that says how to need less.

    Raises:
        UserError: Memory ran out.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(f"out of memory{where}: lower {arg('batch_size')} or {arg('max_length')}") from None


def read_epochs(file: Path) -> list[Epoch]:
    """The evaluations in a file; none if it is missing or damaged."""
    try:
        return [read(epoch) for epoch in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def record(trial: Trial, history: list[Epoch], made_under: dict[str, Any]) -> None:
    """Store what the trial measured, however it ended, and under what, where that is not the study's."""
    attrs = dict(made_under) | {"seconds": round(sum(epoch.seconds for epoch in history), 3)}
    if history:
        attrs["metrics"] = metrics_of(history)
        if history[-1].chosen is not None:
            attrs[CHOSEN] = list(history[-1].chosen)
        attrs[CURVES] = by_epoch(history)
        attrs["diagnostics"] = means([epoch.diagnostics for epoch in history if epoch.diagnostics])
        attrs["diagnostics by epoch"] = [epoch.diagnostics for epoch in history]
        attrs |= flat(attrs)
    if isinstance(trial, Claimed):
        trial.set_user_attrs(attrs)
        return
    for name, value in attrs.items():
        trial.set_user_attr(name, value)


def flat(attrs: dict[str, Any]) -> dict[str, float]:
    """Each number of a trial's tables on its own, for programs that show and sort only numbers.

    Example:
        >>> flat({"seconds": 2.5, "metrics": {"accuracy": 0.81, "mcc": 0.62}, "diagnostics": {"relative": 0.1}})
        {'metrics.accuracy': 0.81, 'metrics.mcc': 0.62, 'diagnostics.relative': 0.1}
    """
    tables = {name: attrs[name] for name in ("metrics", "diagnostics") if is_table(attrs.get(name))}
    return {f"{name}.{key}": float(f"{cell:.6g}") for name, cells in tables.items() for key, cell in cells.items()}


def by_epoch(history: list[Epoch]) -> list[dict[str, float]]:
    """The metrics of every evaluation, by its number; none for one without values."""
    found = {epoch.number: epoch.metrics for epoch in history}
    return [found.get(number, {}) for number in range(max(found) + 1)]


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over the attacked epochs, and sums of counts."""
    if not rows:
        return {}
    totals = {name: sum(row.get(name, 0.0) for row in rows) for name in rows[0]}
    return {name: total if name in ("nonfinite", "attacked") else total / len(rows) for name, total in totals.items()}
