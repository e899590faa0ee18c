"""Runs of a confirmation of a study with folds: as its trials, with fresh seeds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from helpers.folded_objectives import FOLDS, RECIPE, objective, trial_with, with_a_metric_of_few_rows
from helpers.folded_tasks import FOLD_OF, folded, folded_task
from helpers.small_tasks import labels_task
from optuna.trial import Trial
from scipy.special import expit, softmax
from sklearn.metrics import f1_score

from adv import Clean
from finetune.folds import Folds
from finetune.training.benches import Benches
from studies.running.folded_runs import FoldedRuns, runs_for
from studies.running.kept import kept
from studies.running.objective import Failed
from studies.running.stage_runs import Runs
from studies.running.stages import ARMS, FIRST, Arm, Planned, Stage
from studies.running.storage import LINK

ARMED = [Arm("the winner", "fgm", {"epsilon": 0.7, "start_epoch": 1}), Arm("clean training", "none", {})]


@pytest.fixture(scope="module")
def benches() -> Benches:
    return Benches(folded_task(), RECIPE)


def stage_of(arms: list[Arm], first: int = 2001) -> Stage:
    study = optuna.create_study(direction="maximize", sampler=Planned(lambda number: (number % len(arms), first)))
    study.set_user_attr(LINK, {"of": "searched", "stage": "verdict"})
    study.set_user_attr(ARMS, [])
    study.set_user_attr(FIRST, first)
    return Stage(study, arms, first)


def runs_in(folder: Path, benches: Benches, arms: list[Arm] = ARMED, folds: Folds = FOLDS, metric: str = "accuracy") -> Any:
    return runs_for(stage_of(arms), benches, folds, RECIPE, metric, folder, True, {})


def test_a_run_is_worth_what_a_trial_is_with_its_seed_alone(benches: Benches, tmp_path: Path) -> None:
    runs = runs_in(tmp_path, benches, folds=FOLDS.model_copy(update={"seeds": 5}))
    assert isinstance(runs, FoldedRuns)
    asked = runs.stage.study.ask()
    value = runs(asked)
    seeded = RECIPE.model_copy(update={"seed": 2001})
    trial = trial_with(1)
    assert objective(benches, tmp_path / "trial", recipe=seeded, reuse=False)(trial) == value
    assert asked.user_attrs["metrics"] == trial.user_attrs["metrics"]
    assert len(asked.user_attrs["runs"]) == 3


def test_predictions_are_out_of_fold_and_for_test_rows_the_mean_over_the_folds(benches: Benches, tmp_path: Path) -> None:
    runs = runs_in(tmp_path, benches)
    asked, apart = runs.stage.study.ask(), []
    for part in runs.series.parts:
        training = runs.series.like(RECIPE.model_copy(update={"seed": 2001})).training(part, _fgm())
        assert list(training.epochs())
        bench = training.bench
        apart.append(softmax(bench.predict(training.model, bench.encode(bench.task.test)).astype(np.float64), 1))
    value = runs(asked)
    validation, test = (kept(asked.user_attrs, name) for name in ("validation", "test"))
    assert validation is not None
    assert test is not None
    assert (validation.argmax(1) == benches.task.train.labels).mean() == pytest.approx(value, rel=1e-12)
    assert softmax(test.astype(np.float64), 1) == pytest.approx(np.mean(apart, axis=0), rel=1e-6)


def _fgm() -> Any:
    from adv import FGM

    return FGM(epsilon=0.7, start_epoch=1)


def test_thresholds_of_all_rows_hold_for_the_test_rows(tmp_path: Path) -> None:
    task = folded(labels_task("tuned"))
    runs = runs_in(tmp_path, Benches(task, RECIPE), [ARMED[1]], metric="macro_f1")
    asked = runs.stage.study.ask()
    value = runs(asked)
    validation, test = (kept(asked.user_attrs, name) for name in ("validation", "test"))
    assert validation is not None
    assert test is not None
    cuts = expit(validation[0, :, 1])
    assert expit(test[:, :, 1]) == pytest.approx(np.tile(cuts, (4, 1)), rel=1e-6)
    said = expit(validation[:, :, 0]) > cuts
    assert value == pytest.approx(f1_score(task.train.labels, said, average="macro", zero_division=0.0), rel=1e-9)


def test_clean_epochs_of_a_seed_are_shared_fold_by_fold_and_then_forgotten(benches: Benches, tmp_path: Path) -> None:
    runs = runs_in(tmp_path, benches, [ARMED[1], ARMED[0]])
    clean, attacked = runs.stage.study.ask(), runs.stage.study.ask()
    runs(clean)
    names = sorted(path.name for path in tmp_path.glob("seed-*"))
    assert names == [f"seed-2001-fold-{fold}-1.safetensors" for fold in range(3)]
    value = runs(attacked)
    for trial in (clean, attacked):
        runs.clean_up(trial)
    runs.forget(2001)
    assert list(tmp_path.iterdir()) == []
    alone = runs_in(tmp_path / "alone", benches, [ARMED[0]])
    assert alone(alone.stage.study.ask()) == value


def test_no_attacked_epoch_is_shared_as_a_clean_one(benches: Benches, tmp_path: Path) -> None:
    late = Arm("a later start", "fgm", {"epsilon": 0.7, "start_epoch": 2})
    runs = runs_in(tmp_path, benches, [ARMED[0], late])
    early, later = runs.stage.study.ask(), runs.stage.study.ask()
    runs(early)
    runs(later)
    expected = objective(benches, tmp_path / "trial", recipe=RECIPE.model_copy(update={"seed": 2001}), reuse=False)
    expected(trial := trial_with(2))
    assert later.user_attrs["metrics by epoch"] == trial.user_attrs["metrics by epoch"]


def test_a_run_that_was_killed_in_a_fold_goes_on_there(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runs_in(tmp_path / "whole", benches)
    undisturbed = whole.stage.study.ask()
    expected = whole(undisturbed)
    runs = runs_in(tmp_path, benches)
    asked, trained = runs.stage.study.ask(), list[int]()
    training = runs.series.__class__.training

    def counting(self: Any, part: Any, method: Any) -> Any:
        if part.number == 2 and 2 not in trained:
            trained.append(2)
            raise KeyboardInterrupt
        trained.append(part.number)
        return training(self, part, method)

    monkeypatch.setattr(type(runs.series), "training", counting)
    with pytest.raises(KeyboardInterrupt):
        runs(asked)
    again = Trial(asked.study, asked._trial_id)
    assert runs(again) == expected
    assert trained == [0, 1, 2, 2]
    assert again.user_attrs["metrics by epoch"] == undisturbed.user_attrs["metrics by epoch"]
    assert kept(again.user_attrs, "test").tobytes() == kept(undisturbed.user_attrs, "test").tobytes()  # type: ignore[union-attr]


def test_an_own_metric_that_fails_on_all_rows_alone_ends_the_run_and_says_why(tmp_path: Path) -> None:
    name, benches = with_a_metric_of_few_rows(tmp_path)
    runs = runs_in(tmp_path, benches, [ARMED[1]], metric=name)
    asked = runs.stage.study.ask()
    with pytest.raises(Failed, match=r"metric mine\.py:few raised ZeroDivisionError"):
        runs._made(asked, Clean(), benches.recipe, False)
    assert len(asked.user_attrs["runs"]) == 2


def test_without_folds_a_run_is_a_plain_one(tmp_path: Path) -> None:
    plain = replace(folded_task(), fold_of=None)
    assert len(FOLD_OF) == len(plain.train)
    assert type(runs_in(tmp_path, Benches(plain, RECIPE), folds=Folds(seeds=3))) is Runs
