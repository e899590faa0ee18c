"""Trials of several runs: what they are worth, shared clean epochs, resumption, pruning, and what is kept."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from helpers.folded_objectives import FOLDS, RECIPE, curve, objective, trial_with, with_a_metric_of_few_rows
from helpers.folded_tasks import FOLD_OF, folded_task
from optuna.trial import Trial
from scipy.special import softmax

from adv import FGM
from finetune.config import Data
from finetune.errors import Diverged
from finetune.folds import Folds
from finetune.training.bench import Bench
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch, value_of
from finetune.training.loop import Training
from finetune.training.oof import Oof
from finetune.training.series import Series
from studies.planning.plan import make_plan
from studies.running.best_oof import keep_best
from studies.running.folded import Folded
from studies.running.objective import Failed


@pytest.fixture(scope="module")
def benches() -> Benches:
    return Benches(folded_task(), RECIPE)


@pytest.fixture(scope="module")
def whole(benches: Benches, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, Trial, Path]:
    """An undisturbed trial that starts with the first epoch: its value, and its folder."""
    trial, folder = trial_with(0), tmp_path_factory.mktemp("whole")
    value = objective(benches, folder)(trial)
    assert isinstance(value, float)
    return value, trial, folder


class Killed(Exception):
    """Stands for the end of the process."""


def killing(made: Folded, run: int, epoch: int) -> Folded:
    """Let an objective die after an evaluation of a run, before its state is written."""
    saw = made.on_epoch

    def on_epoch(trial: Trial | None, part: Any, many: int, seen: Epoch) -> None:
        saw(trial, part, many, seen)
        if (part.number, seen.number) == (run, epoch):
            raise Killed

    made.on_epoch = on_epoch
    return made


def test_the_value_is_that_of_each_fold_trained_alone_and_pooled(benches: Benches, tmp_path: Path) -> None:

    class AtTheEnd(optuna.pruners.NopPruner):
        """Too late: all runs are trained."""

        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return len(trial.intermediate_values) == 3

    trial = trial_with(1, optuna.create_study(direction="maximize", pruner=AtTheEnd()))
    value, labels, right = objective(benches, tmp_path)(trial), benches.task.train.labels, []
    for fold in range(3):
        bench = Bench(benches.task.fold(fold), RECIPE)
        training = Training(bench, RECIPE, FGM(epsilon=0.7, start_epoch=1))
        assert list(training.epochs())
        right.append(bench.predict(training.model, bench.validation).argmax(1) == labels[fold == FOLD_OF])
    sums, rows = np.cumsum([fold.sum() for fold in right]), np.cumsum([len(fold) for fold in right])
    assert curve(trial) == pytest.approx(dict(enumerate(sums / rows)), rel=1e-12)
    assert value == curve(trial)[2] == trial.user_attrs["metrics"]["accuracy"]
    runs = trial.user_attrs["runs"]
    assert [(run["fold"], run["seed"], run["together"]) for run in runs] == [(k, 0, curve(trial)[k]) for k in range(3)]
    assert [run["metrics"]["accuracy"] for run in runs] == pytest.approx([fold.mean() for fold in right], rel=1e-12)
    assert trial.user_attrs["seconds"] == pytest.approx(sum(run["seconds"] for run in runs), abs=0.01)


@pytest.fixture(scope="module")
def clean(benches: Benches, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clean epochs of all runs."""
    folder, seen = tmp_path_factory.mktemp("clean"), list[Any]()
    shared, whole = objective(benches, folder / "a", seen=seen), objective(benches, folder / "b", reuse=False)
    trained = shared.baseline()
    assert [epoch.metrics for epoch in trained] == [epoch.metrics for epoch in whole.baseline()]
    assert len(seen) == 9
    assert objective(benches, folder / "a", seen=seen).baseline() == trained
    assert len(seen) == 9
    return folder / "a"


@pytest.mark.parametrize("start", [0, 1, 2])
def test_runs_from_shared_clean_epochs_of_their_fold_equal_whole_ones(
    benches: Benches, clean: Path, tmp_path: Path, start: int
) -> None:
    seen: list[Any] = []
    shutil.copytree(clean, tmp_path / "a")
    shared, whole = objective(benches, tmp_path / "a", seen=seen), objective(benches, tmp_path / "b", reuse=False)
    first, second = trial_with(start), trial_with(start)
    assert shared(first) == whole(second)
    assert [number for _, _, number in seen] == [*range(min(start, 1), 3)] * 3  # of 3 epochs the first is shared
    assert curve(first) == curve(second)
    for name in ("metrics", "diagnostics", "metrics by epoch"):
        assert first.user_attrs[name] == second.user_attrs[name]


@pytest.mark.parametrize(("run", "epoch"), [(0, 0), (1, 2), (2, 1)])
def test_a_trial_that_was_killed_in_a_run_goes_on_inside_that_run(
    benches: Benches, whole: tuple[float, Trial, Path], tmp_path: Path, run: int, epoch: int
) -> None:
    expected, undisturbed, there = whole
    trial, seen = trial_with(0), list[Any]()
    with pytest.raises(Killed):
        killing(objective(benches, tmp_path, seen=seen), run, epoch)(trial)
    again = Trial(trial.study, trial._trial_id)
    assert objective(benches, tmp_path, seen=seen)(again) == expected
    # Only the evaluation whose state was not written is done twice.
    assert [key[1:] for key in seen] == sorted([*((k, number) for k in range(3) for number in range(3)), (run, epoch)])
    assert curve(again) == curve(undisturbed)
    for name in ("metrics", "diagnostics", "metrics by epoch"):
        assert again.user_attrs[name] == undisturbed.user_attrs[name]
    one, other = (Oof.load(folder / "oof-0.safetensors") for folder in (tmp_path, there))
    assert one.raw.tobytes() == other.raw.tobytes()


def test_a_pruned_trial_has_what_its_runs_so_far_are_worth_and_nothing_of_it_stays(
    benches: Benches, whole: tuple[float, Trial, Path], tmp_path: Path
) -> None:
    asked: list[dict[int, float]] = []

    class Stopping(optuna.pruners.NopPruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            asked.append(dict(trial.intermediate_values))
            return len(trial.intermediate_values) == 2

    made = objective(benches, tmp_path, reuse=False)
    trial = trial_with(0, optuna.create_study(direction="maximize", pruner=Stopping()))
    with pytest.raises(optuna.TrialPruned):
        made(trial)
    assert [sorted(values) for values in asked] == [[0], [0, 1]]
    assert len(trial.user_attrs["runs"]) == 2
    assert asked[-1] == {step: curve(whole[1])[step] for step in (0, 1)}
    made.clean_up(trial)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(("trial", "oof"))]


def test_after_a_trial_only_its_predictions_stay(benches: Benches, tmp_path: Path) -> None:
    made, trial = objective(benches, tmp_path), trial_with(1)
    made.baseline()
    value = made(trial)
    made.clean_up(trial)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["oof-0.safetensors", "predictions-0.csv", "prefix"]
    assert sorted(path.name for path in made.prefix.iterdir()) == sorted(
        name for run in range(3) for name in (f"clean-run-{run}.safetensors", f"clean-run-{run}-1.safetensors")
    )
    oof = Oof.load(tmp_path / "oof-0.safetensors")
    assert (oof.value, oof.metric, oof.fingerprint) == (value, "accuracy", benches.task.fingerprint)
    assert (oof.raw[0].argmax(1) == benches.task.train.labels).mean() == pytest.approx(value, rel=1e-12)
    lines = (tmp_path / "predictions-0.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("row,fold,text,")
    assert [int(line.split(",")[1]) for line in lines[1:]] == FOLD_OF.tolist()


def test_the_ten_best_trials_keep_their_predictions(benches: Benches, tmp_path: Path) -> None:
    made = objective(benches, tmp_path)
    ended = list(made.runs_of({"start_epoch": 0, "epsilon": 0.7}, 0, lambda *_: None))
    values = [5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0, 0.0, 2.0, 7.5, 1.0]
    for direction, worst in (("minimize", {2, 6, 11}), ("maximize", {1, 9, 12})):
        study, folder = optuna.create_study(direction=direction), tmp_path / direction
        folder.mkdir()
        for value in values:
            trial = study.ask()
            keep_best(made.series, ended, trial, value, folder)
            study.tell(trial, value)
        best = set(range(len(values))) - worst
        assert {path.name for path in folder.glob("oof-*")} == {f"oof-{number}.safetensors" for number in best}


def test_the_same_seed_gives_the_same_and_other_seeds_other_values(benches: Benches, tmp_path: Path) -> None:
    two = Folds(folds=3, seeds=2)
    first, second, shared = trial_with(1), trial_with(1), objective(benches, tmp_path / "a", folds=two)
    shared.baseline()  # each fold and seed has its own clean epoch
    assert shared(first) == objective(benches, tmp_path / "b", folds=two, reuse=False)(second)
    assert curve(first) == curve(second)
    assert first.user_attrs["metrics"] == second.user_attrs["metrics"]
    one = trial_with(1)
    objective(benches, tmp_path / "c")(one)
    assert {step: curve(first)[step] for step in range(3)} == curve(one)
    runs = first.user_attrs["runs"]
    assert [run["metrics"]["log_loss"] for run in runs[:3]] != [run["metrics"]["log_loss"] for run in runs[3:]]
    raw = Oof.load(tmp_path / "a" / "oof-0.safetensors").raw
    assert raw.shape == (2, 40, 2)
    with (tmp_path / "a" / "predictions-0.csv").open(encoding="utf-8") as file:
        said = [float(row["p positive"]) for row in csv.DictReader(file)]
    assert said == pytest.approx(softmax(raw.astype(np.float64), 2).mean(0)[:, 1], abs=1e-4)


def test_a_diverged_run_ends_the_trial_and_says_which_it_was(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, trial = objective(benches, tmp_path), trial_with(0)

    def diverging(trial: Any, part: Any, many: int, epoch: Epoch) -> None:
        if (part.number, epoch.number) == (1, 1):
            raise Diverged("the training loss is nan")

    made.on_epoch = diverging
    with pytest.raises(Failed, match=r"^diverged: the training loss is nan \(in run 2 of 3\)$"):
        made(trial)
    assert len(trial.user_attrs["runs"]) == 1
    assert list(curve(trial)) == [0]


def test_an_own_metric_that_fails_on_all_rows_alone_ends_the_trial_and_says_why(tmp_path: Path) -> None:
    name, benches = with_a_metric_of_few_rows(tmp_path)
    made, trial = objective(benches, tmp_path, recipe=benches.recipe, metric=name, reuse=False), trial_with(0)
    with pytest.raises(Failed, match=r"metric mine\.py:few raised ZeroDivisionError.*labels \(40,\)"):
        made(trial)
    assert [run["together"] for run in trial.user_attrs["runs"]] == [1, 1]
    assert trial.user_attrs["metrics"][name] == 1


def test_with_two_metrics_nothing_is_reported_and_seconds_are_those_of_all_runs(benches: Benches, tmp_path: Path) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    trial = trial_with(0, study)
    accuracy, seconds = objective(benches, tmp_path, second="seconds")(trial)  # type: ignore[misc]
    assert curve(trial) == {}
    runs = trial.user_attrs["runs"]
    assert accuracy == runs[-1]["together"]
    assert seconds == pytest.approx(sum(run["seconds"] for run in runs), abs=0.01)


def test_a_searched_recipe_shares_nothing(benches: Benches, tmp_path: Path) -> None:
    plan = make_plan("fgm", Data(task="reviews"), RECIPE, {"start_epoch": 1}, tune=["learning_rate"], folds=FOLDS)
    made = Folded(plan, Series(benches, FOLDS, RECIPE, "accuracy"), tmp_path, tmp_path / "prefix", lambda *_: None)
    objective(benches, tmp_path).baseline()  # a study with this recipe shares its clean epochs there
    made.baseline()
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"epsilon": 0.7, "learning_rate": 0.02})
    trial = study.ask()
    made(trial)
    fast = RECIPE.model_copy(update={"learning_rate": 0.02})
    training = Training(benches.fold(0), fast, FGM(epsilon=0.7, start_epoch=1))
    assert trial.user_attrs["runs"][0]["metrics"]["log_loss"] == value_of(list(training.epochs()), "log_loss")
