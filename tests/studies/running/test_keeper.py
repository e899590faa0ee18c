"""Models of the best trials: which are kept, what they predict, and what a kill leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from helpers.folded_objectives import objective as folded_objective
from helpers.folded_tasks import folded_task
from helpers.small_tasks import labels_task, numbers_task, reviews_task
from optuna.trial import Trial, TrialState

from finetune.config import Data, Recipe
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks.metrics import evaluate
from finetune.tasks.task import Task
from finetune.training import keep as module
from finetune.training.bench import Bench
from finetune.training.benches import Benches
from finetune.training.oof import Oof
from finetune.training.saved import load_saved
from studies.own_loop import refuse_others
from studies.planning.plan import make_plan
from studies.running.footprint import models
from studies.running.keeper import KEEP, Keeper, keep_only, kept_in
from studies.running.leftovers import clear_torn
from studies.running.objective import Objective

RECIPE = Recipe(epochs=1, batch_size=32)
PLAN = make_plan("fgm", Data(task="reviews"), RECIPE)


class Marking(Keeper):
    """Leaves a folder in place of a model."""

    def save(self, training: Any, place: Path, about: dict[str, Any]) -> None:
        place.mkdir(parents=True, exist_ok=True)


def told(study: optuna.Study, keeper: Keeper, *values: float | None) -> None:
    """Trials that end one after the other: with a value, or without one."""
    for value in values:
        trial = study.ask()
        trial.set_user_attr("metrics", {"accuracy": value})
        if value is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            keeper.keep(trial, {}, value, TRAINING)
            study.tell(trial, value)


class Nothing:
    recipe = RECIPE


TRAINING: Any = Nothing()


@pytest.mark.parametrize(
    ("keep", "values", "meanwhile", "end"),
    [
        ("best", [0.5, 0.7, 0.6], [1], [1]),
        ("best", [0.9, 0.5, 0.6], [0], [0]),
        ("best", [0.5, 0.70001, 0.70004], [1, 2], [2]),  # equal as printed: which is the best is known at the end
        ("best", [0.7, 0.5, 0.7], [0, 2], [0]),
        ("best", [None, 0.1, None], [1], [1]),
        ("top3", [0.5, 0.7, 0.6, 0.1, 0.8], [1, 2, 4], [1, 2, 4]),
        ("top3", [0.5], [0], [0]),
        ("top3", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [3, 4, 5], [3, 4, 5]),
        ("best", [None, None], [], []),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_trials_that_are_overtaken_go(
    tmp_path: Path, keep: str, values: list[float | None], meanwhile: list[int], end: list[int], maximize: bool
) -> None:
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    told(
        study,
        keeper := Marking(PLAN, "accuracy", "s", tmp_path, KEEP[keep]),
        *(v if maximize or v is None else -v for v in values),
    )
    assert kept_in(tmp_path) == meanwhile
    assert keep_only(study, tmp_path, KEEP[keep], end[0] if keep == "best" and end else None) == []
    assert kept_in(tmp_path) == end
    assert keeper.folder.exists() == bool(end)


def test_models_of_unfinished_and_of_other_trials_stay(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    keeper = Marking(PLAN, "accuracy", "s", tmp_path, 1)
    told(study, keeper, 0.9)
    study.enqueue_trial({})  # trial 1 waits; 77 is of another database
    for number in (1, 77):
        keeper.place(number).mkdir()
    told_again = study.ask()
    assert told_again.number == 1
    keeper.drop(study, 0, 0.9)
    assert kept_in(tmp_path) == [0, 1, 77]
    assert keep_only(study, tmp_path, 1, 0) == []
    assert kept_in(tmp_path) == [0, 1, 77]  # trial 1 is running
    study.tell(told_again, state=TrialState.PRUNED)
    assert keep_only(study, tmp_path, 1, 0) == []
    assert kept_in(tmp_path) == [0, 77]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    told(study, Marking(PLAN, "accuracy", "s", tmp_path, 0), 0.5, 0.9, 0.7)
    told(study, Marking(PLAN, "accuracy", "s", tmp_path, 3), 0.8, 0.1)
    assert kept_in(tmp_path) == [3]
    assert keep_only(study, tmp_path, 3, 1) == [1, 2]
    assert keep_only(study, tmp_path, 1, 3) == []  # as a second metric may have it


def searched(task: Task, folder: Path, say: Callable[[str], None] = print, metric: str = "accuracy") -> Objective:
    """An objective that keeps the models of the best."""
    found = Objective(PLAN, metric, Bench(task, RECIPE), folder, folder / "prefix", lambda *_: None, False)
    found.keeper = Keeper(PLAN, metric, "study", folder, 1, say)
    return found


@pytest.mark.parametrize(
    ("task", "metric"),
    [(reviews_task(), "accuracy"), (numbers_task(), "rmse"), (labels_task("tuned"), "macro_f1")],
    ids=["classes", "numbers", "thresholds"],
)
def test_the_model_gives_the_numbers_of_its_trial(tmp_path: Path, task: Task, metric: str) -> None:
    direction = "minimize" if metric == "rmse" else "maximize"
    study = optuna.create_study(direction=direction)
    study.enqueue_trial({"start_epoch": 0, "epsilon": 0.7})
    trial, said = study.ask(), list[str]()
    value = searched(task, tmp_path, said.append, metric)(trial)
    saved = load_saved(tmp_path / "models" / "trial-0")
    raw, rows = saved.predict(task.validation), task.validation
    output = saved.kind.decided(raw)
    if saved.kind.settles:
        output = saved.kind.settled(output, np.array(saved.known.settled))
    assert evaluate(task, rows.labels, output)[metric] == value == saved.known.value
    assert saved.known.settings == PLAN.fixed | {"start_epoch": 0, "epsilon": 0.7}
    assert (saved.known.study, saved.known.trial, saved.known.method) == ("study", 0, "fgm")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["trial-0"]


@pytest.mark.parametrize("there", [False, True])
def test_a_kill_while_saving_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    made, study = searched(reviews_task(), tmp_path), optuna.create_study(direction="maximize")
    if there:  # the model of this trial, which another process began
        (tmp_path / "models" / "trial-0").mkdir(parents=True)
        (tmp_path / "models" / "trial-0" / "model.safetensors").write_text("before")

    def half(bench: Any, model: Any, folder: Path, about: Any) -> list[str]:
        (folder / "config.json").write_text("half")
        raise KeyboardInterrupt

    study.enqueue_trial({"start_epoch": 0, "epsilon": 0.7})
    trial = study.ask()
    whole = module.keep
    monkeypatch.setattr(module, "keep", half)
    with pytest.raises(KeyboardInterrupt):
        made(trial)
    monkeypatch.setattr(module, "keep", whole)
    assert [str(path.relative_to(tmp_path)) for path in models(tmp_path)] == ["models/trial-0"] * there
    made(Trial(study, trial._trial_id))
    assert (tmp_path / "models" / "trial-0" / "config.json").read_text() != "half"
    assert not (tmp_path / "models" / "trial-0" / "before").exists()


def test_what_a_kill_left_goes_when_it_is_old(tmp_path: Path) -> None:
    import os

    for name in (".writing-new", ".writing-old"):
        (tmp_path / "models" / name / "model").mkdir(parents=True)
    os.utime(tmp_path / "models" / ".writing-old", (0, 0))
    clear_torn(tmp_path)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".writing-new"]


@pytest.fixture(scope="module")
def benches() -> Benches:
    return Benches(folded_task(), RECIPE)


def folded(benches: Benches, folder: Path, keeps: bool = True, **options: Any) -> Any:
    said = list[str]()
    found = folded_objective(benches, folder, recipe=RECIPE, reuse=False, **options)
    if keeps:
        found.keeper = Keeper(found.plan, "accuracy", "study", folder, 1, said.append)
    return found, said


def asked(study: optuna.Study) -> Trial:
    study.enqueue_trial({"start_epoch": 0, "epsilon": 0.7})
    return study.ask()


def test_models_of_all_folds_and_seeds_are_one_folder(benches: Benches, tmp_path: Path) -> None:
    made, _ = folded(benches, tmp_path, folds=Folds(folds=3, seeds=2))
    study = optuna.create_study(direction="maximize")
    value = made(trial := asked(study))
    study.tell(trial, value)
    made.clean_up(trial)
    here, task = tmp_path / "models" / "trial-0", folded_task()
    assert [path.name for path in models(tmp_path)] == ["trial-0"]
    assert sorted(path.name for path in here.iterdir()) == sorted(
        ["mean.json", *(f"fold-{fold}{seed}" for fold in range(3) for seed in ("", "-seed-1"))]
    )
    oof = Oof.load(tmp_path / "oof-0.safetensors")
    for fold, seed in ((1, 0), (2, 1)):
        inside = np.flatnonzero(task.fold_of == fold)
        saved = load_saved(here / f"fold-{fold}{'-seed-1' * seed}")
        assert saved.predict(task.validation.take(inside)).tobytes() == oof.raw[seed, inside].tobytes()
        assert (saved.known.fold, saved.known.seed, saved.known.folds, saved.known.seeds) == (fold, seed, 3, 2)
    assert load_saved(here).predict(task.test).shape == (4, 2)


def test_of_a_trial_that_is_not_among_the_best_nothing_stays(benches: Benches, tmp_path: Path) -> None:
    made, _ = folded(benches, tmp_path)
    study = optuna.create_study(direction="maximize")
    study.tell(trial := asked(study), made(trial))
    assert kept_in(tmp_path) == [0]
    better = study.ask()
    better.set_user_attr("metrics", {"accuracy": 2.0})
    study.tell(better, 2.0)
    study.tell(last := asked(study), made(last))
    assert kept_in(tmp_path) == [0]  # trial 1 has none; what is overtaken goes when another leads, or at the end
    assert not made.keeper.unfinished(2).exists()
    assert keep_only(study, tmp_path, 1, 1) == [1]
    assert kept_in(tmp_path) == []


def test_a_pruned_trial_leaves_no_models(benches: Benches, tmp_path: Path) -> None:
    class Stopping(optuna.pruners.NopPruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return True

    made, _ = folded(benches, tmp_path)
    trial = asked(optuna.create_study(direction="maximize", pruner=Stopping()))
    with pytest.raises(optuna.TrialPruned):
        made(trial)
    assert [path.name for path in made.keeper.unfinished(0).iterdir()] == ["fold-0"]  # until the trial is told
    made.clean_up(trial)
    assert models(tmp_path) == []


def test_a_run_of_a_search_that_keeps_none_is_told(benches: Benches, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    trial, (first, _) = asked(study), folded(benches, tmp_path, keeps=False)
    run = next(iter(first.runs_of({"start_epoch": 0, "epsilon": 0.7}, 0, lambda *_: None)))
    assert run.part.number == 0
    again, said = folded(benches, tmp_path)
    again(trial)
    assert models(tmp_path) == []
    assert said == ["the models of trial 0 are not kept: fold-0 was trained by a search that keeps none"]


def test_a_trial_whose_state_was_freed_is_trained_again(benches: Benches, tmp_path: Path) -> None:
    made, study = searched(reviews_task(), tmp_path), optuna.create_study(direction="maximize")
    said = list[str]()
    made.say = said.append
    whole = made(trial := asked(study))
    assert said == []
    assert made(Trial(study, trial._trial_id)) == whole  # its only evaluation is known, and no snapshot is there
    assert said == ["trial 0 is trained again: where it stood is not on this disk; its values will be the same"]
    folds, _ = folded(benches, tmp_path / "folds")
    folds.say = said.append
    trial = asked(optuna.create_study(direction="maximize"))
    folds(trial)
    folds(Trial(trial.study, trial._trial_id))
    assert len(said) == 1
    folds.clean_up(trial)
    folds(Trial(trial.study, trial._trial_id))
    assert len(said) == 2


def test_an_own_loop_keeps_its_models_itself() -> None:
    with pytest.raises(UserError, match="keep='best' is for search; your own loop saves its models itself"):
        refuse_others({"keep": "best"}, "maximize", "value")
