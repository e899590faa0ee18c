"""One trial of a study with folds or seeds: several runs, judged together; pruned by what it is worth over the same runs."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial

from adv import Clean
from finetune.training.epoch import Epoch, metrics_of, value_of
from finetune.training.loop import Training
from finetune.training.series import Ended, Part, Series
from studies.calibrating.measured import trained_until
from studies.planning.plan import Plan
from studies.running.best_oof import keep_best, write_pooled
from studies.running.clean_runs import CleanRuns
from studies.running.foreign import RUNS
from studies.running.helping import help_with
from studies.running.in_turn import InTurn
from studies.running.keeper import Keeper
from studies.running.objective import Failed, begins_again, failing, record, suggest
from studies.running.predictions import leads, predictions_file
from studies.running.prefix import prefix_key
from studies.running.run_files import RunFiles
from studies.running.shared import State, states_of
from studies.running.two_metrics import Value, reached

# Called after every evaluation: the trial, or None for clean training; the run, of how many; the evaluation.
OnRun = Callable[[Trial | None, Part, int, Epoch], None]


class Folded:
    """Trains trials of one plan, each with all runs of a series.

    Args:
        plan: What is searched.
        series: The runs of a trial, with the plan's recipe.
        folder: Folder for the trials' files.
        prefixes: Folder for the clean epochs that all trials and methods share.
        on_epoch: Called after every evaluation.
        reuse: Whether trials start from the shared clean epochs.
        second: The second metric, if the study has two.

    Attributes:
        made_under: Versions and device that each trial records, where they differ from the study's.
        prefix: Folder of the shared clean epochs.
        keeper: Keeps the models of the best trials; None if none is kept.
        say: Called with a line about a trial that begins again.
    """

    def __init__(
        self,
        plan: Plan,
        series: Series,
        folder: Path,
        prefixes: Path,
        on_epoch: OnRun,
        reuse: bool = True,
        second: str | None = None,
    ) -> None:
        self.plan, self.series, self.metric, self.second = plan, series, series.metric, second
        self.folder, self.on_epoch, self.reuse = folder, on_epoch, reuse
        self.prefix = prefixes / prefix_key(series.benches.whole, plan.recipe, self.metric)
        self._states: dict[int, list[State]] = {}
        self.clean = CleanRuns(series, self.prefix, self._shared, reuse, lambda *seen: self.saw(None, *seen))
        self.made_under: dict[str, Any] = {}
        self.keeper: Keeper | None = None
        self.say: Callable[[str], None] = lambda line: None
        # Runs of trials of other processes that failed here: their process will see why.
        self.given_up = set[tuple[int, int]]()

    def __call__(self, trial: Trial) -> Value:
        """Train the runs of one trial; its value is what they are worth together.

        After each run the trial reports what its runs so far are worth: trials are compared on the same folds and seeds.

        Raises:
            TrialPruned: The pruner stopped it.
            Failed: A run diverged, ran out of memory, or its settings have no effect on the model.
        """
        runs = self.runs_of(suggest(trial, self.plan.space), trial.number, lambda *seen: self.saw(trial, *seen))
        known = set(trial.storage.get_trial(trial._trial_id).intermediate_values)
        if any(not runs.files.ended(number).exists() for number in known):
            self.say(begins_again(trial.number))
        ended, history, values = list[Ended](), list[Epoch](), list[float]()
        try:
            with in_run(runs):
                for run in runs:
                    history = runs.series.combined([*ended, run])  # a metric of the user's own may fail
                    ended.append(run)
                    values.append(value_of(history, self.metric))
                    self._report(trial, values, known)
            self._keep(trial, runs.series, ended, values[-1])
        finally:
            record(trial, history or runs.unfinished, self.made_under)
            trial.set_user_attr(RUNS, table(ended, values))
        return values[-1] if self.second is None else (values[-1], reached(history, self.second))

    def _report(self, trial: Trial, values: list[float], known: set[int]) -> None:
        """Report what the runs so far are worth, and stop the trial if the pruner says so."""
        number = len(values) - 1
        if self.second is not None:  # with two objectives Optuna takes no reports
            return
        if number not in known and math.isfinite(values[-1]):  # of the first folds alone it may not be defined
            trial.report(values[-1], number)
        if len(values) < len(self.series.parts) and trial.should_prune():
            raise optuna.TrialPruned

    def _keep(self, trial: Trial, series: Series, ended: Sequence[Ended], value: float) -> None:
        """Keep what the trial predicts, if it is the best, or one of the best."""
        if leads(trial, value):
            write_pooled(series, ended, predictions_file(self.folder, trial.number))
        if math.isfinite(value):
            keep_best(series, ended, trial, value, self.folder)
        if self.keeper is not None:
            self.keeper.keep_runs(trial, value, series, ended)

    def _shared(self, part: Part) -> list[State]:
        """The states of clean training on a fold that trials share."""
        if not self.reuse or self.plan.tuned:
            return []
        if part.fold not in self._states:
            self._states[part.fold] = states_of(self.plan, lambda: self.series.benches.fold(part.fold).train)
        return self._states[part.fold]

    def runs_of(self, params: dict[str, Any], number: int, on_epoch: Callable[[Part, Training, Epoch], None]) -> InTurn:
        """The runs of a trial.

        Args:
            params: Its settings.
            number: Its number.
            on_epoch: Called after every evaluation.

        Raises:
            Failed: The settings are not allowed.
        """
        with failing():
            recipe = self.plan.build(params)[1]
        series, begin = self.series, self.clean.begin if self.reuse else nothing_shared
        if recipe != self.plan.recipe:
            series, begin = series.like(recipe), nothing_shared
        runs, keeper = InTurn(series, lambda: self.plan.build(params)[0], self.files(number), begin, on_epoch), self.keeper
        if keeper is not None:
            runs.on_ended = lambda part, training: keeper.keep_run(number, params, part, training, series)
        return runs

    def saw(self, trial: Trial | None, part: Part, training: Training, epoch: Epoch) -> None:
        """Tell who watches about an evaluation."""
        self.on_epoch(trial, part, len(self.series.parts), epoch)

    def files(self, number: int) -> RunFiles:
        """The files of a trial's runs."""
        return RunFiles(self.folder, f"trial-{number}")

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete the files of a finished trial's runs."""
        self.files(trial.number).clear(len(self.series.parts))
        if self.keeper is not None:
            self.keeper.forget(trial.number)

    def help(self, study: optuna.Study, say: Callable[[str], None]) -> bool:
        """Train a run of a trial that another process has begun; returns False if there is none that nobody trains."""
        return help_with(self, study, say)

    def clean_state(self, count: int) -> Training:
        """The first run's clean training after so many evaluations: read if that is stored, otherwise trained."""
        part = self.series.parts[0]
        file = self.clean.file(part, count) if self.reuse else None
        return trained_until(count, self.series.training(part, Clean()), file)

    def baseline(self) -> list[Epoch]:
        """Clean training of all runs with the plan's recipe, as one history.

        Raises:
            UserError: Clean training fails.
        """
        return self.series.combined(self.clean.train())

    def clean_table(self) -> list[dict[str, Any]]:
        """Each run of clean training; empty if its files are gone."""
        ended = self.clean.known()
        worth = [value_of(self.series.combined(ended[: count + 1]), self.metric) for count in range(len(ended))]
        return table(ended, worth)

    def validation(self, clean: float) -> dict[str, Any]:
        """The number of rows, and the standard error that it gives the value of clean training."""
        return self.clean.validation()


def nothing_shared(part: Part, training: Training) -> None:
    """A run begins with its first epoch."""


def table(ended: Sequence[Ended], worth: Sequence[float]) -> list[dict[str, Any]]:
    """Runs as JSON values: fold and seed, what all runs up to this one are worth together, metrics and time of the run."""
    return [
        {
            "fold": run.part.fold,
            "seed": run.part.seed,
            "together": value if math.isfinite(value) else None,
            "metrics": {name: number for name, number in metrics_of(run.history).items() if math.isfinite(number)},
            "seconds": round(sum(epoch.seconds for epoch in run.history), 3),
            **({} if run.history[-1].chosen is None else {"chosen": list(run.history[-1].chosen)}),
        }
        for run, value in zip(ended, worth, strict=True)
    ]


@contextmanager
def in_run(runs: InTurn) -> Iterator[None]:
    """As ``failing``, and say in which run it failed.

    Raises:
        Failed: A run diverged, ran out of memory, or its settings have no effect on the model.
    """
    try:
        with failing():
            yield
    except Failed as error:
        part, many = runs.under_way, len(runs.series.parts)
        where = "" if part is None else f" (in run {part.number + 1} of {many})"
        raise Failed(f"{error}{where}") from None
