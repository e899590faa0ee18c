"""Processes that share the runs of one trial."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from helpers.folded_objectives import RECIPE, curve, objective, trial_with
from helpers.folded_tasks import folded_task
from optuna.trial import Trial, TrialState

from finetune.errors import Diverged
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch
from studies.running.folded import Folded
from studies.running.helping import help_with
from studies.running.objective import suggest


@pytest.fixture(scope="module")
def benches() -> Benches:
    return Benches(folded_task(), RECIPE)


def test_another_process_trains_runs_of_a_running_trial_and_the_values_stay(benches: Benches, tmp_path: Path) -> None:
    expected, undisturbed = trial_with(0), objective(benches, tmp_path / "whole")
    value = undisturbed(expected)
    trial, said, helping = trial_with(0), list[str](), objective(benches, tmp_path)
    made, seen = objective(benches, tmp_path), list[Any]()
    known = made.on_epoch

    def on_epoch(trial: Any, part: Any, many: int, epoch: Epoch) -> None:
        seen.append((part.number, epoch.number))
        if (part.number, epoch.number) == (0, 1):  # meanwhile
            assert helping.help(trial.study, said.append)
            assert helping.help(trial.study, said.append)
            assert not helping.help(trial.study, said.append)
        known(trial, part, many, epoch)

    made.on_epoch = on_epoch
    assert made(trial) == value
    assert seen == [(0, 0), (0, 1), (0, 2)]
    assert said == [f"trial 0 of another process: trained its run {run} of 3" for run in (2, 3)]
    assert curve(trial) == curve(expected)
    assert trial.user_attrs["metrics by epoch"] == expected.user_attrs["metrics by epoch"]


def test_nobody_helps_with_a_trial_that_has_ended_and_nothing_stays_of_it(benches: Benches, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    trial, helping = trial_with(0, study), objective(benches, tmp_path)
    suggest(trial, helping.plan.space)
    parts = [part.number for part in helping.series.parts]

    class Study:
        """The study, in which the trial ends after the helper has taken its run."""

        _storage = study._storage

        def get_trials(self, **options: Any) -> list[Any]:
            found = study.get_trials(**options)
            study.tell(trial, state=TrialState.PRUNED)
            return found

    assert parts == [0, 1, 2]
    assert helping.help(Study(), print)  # type: ignore[arg-type]
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("trial")]
    assert not help_with(helping, study, print)


def test_a_run_that_fails_for_a_helper_is_left_to_its_process(benches: Benches, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    trial, failing = trial_with(0, study), objective(benches, tmp_path)
    suggest(trial, failing.plan.space)
    failing.runs_of = _failing_runs(failing)  # type: ignore[method-assign]
    assert [failing.help(study, print) for _ in range(4)] == [True, True, True, False]
    assert objective(benches, tmp_path)(Trial(study, trial._trial_id)) == objective(benches, tmp_path / "b")(trial_with(0))


def _failing_runs(made: Folded) -> Any:
    usual = made.runs_of

    def diverging(*_: Any) -> None:
        raise Diverged("the training loss is nan")

    return lambda params, number, on_epoch: usual(params, number, diverging)
