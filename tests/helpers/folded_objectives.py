"""Objectives of a small task with folds, and trials for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial

from finetune.config import Data, Recipe
from finetune.folds import Folds
from finetune.tasks.own_metric import read_own
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch
from finetune.training.series import Series
from helpers.folded_tasks import folded_task
from studies.planning.plan import make_plan
from studies.running.folded import Folded

# One step an epoch.
RECIPE = Recipe(epochs=3, batch_size=64)
FOLDS = Folds(folds=3)


def objective(benches: Benches, folder: Path, **options: Any) -> Folded:
    """An objective that writes into a folder; ``seen`` gets trial, run and evaluation."""
    folds, recipe = options.pop("folds", FOLDS), options.pop("recipe", RECIPE)
    plan = make_plan("fgm", Data(task="reviews"), recipe, options.pop("fixes", None), folds=folds)
    seen = options.pop("seen", [])
    series = Series(benches, folds, recipe, options.pop("metric", "accuracy"))

    def saw(trial: Trial | None, part: Any, many: int, epoch: Epoch) -> None:
        seen.append((None if trial is None else trial.number, part.number, epoch.number))

    return Folded(plan, series, folder, folder / "prefix", saw, **options)


def trial_with(start: int, study: optuna.Study | None = None, **params: Any) -> Trial:
    """A trial with these settings."""
    study = study or optuna.create_study(direction="maximize")
    study.enqueue_trial({"start_epoch": start} | {"epsilon": 0.7} | params)
    return study.ask()


def curve(trial: Trial) -> dict[int, float]:
    """What it reported."""
    return trial.storage.get_trial(trial._trial_id).intermediate_values


def with_a_metric_of_few_rows(folder: Path) -> tuple[str, Benches]:
    """A metric of the user's own that fails on all rows together, and benches that train one epoch."""
    (folder / "mine.py").write_text("def few(labels, predictions):\n    return 1 / (len(labels) < 40)\n")
    own = read_own(f"{folder / 'mine.py'}:few")
    return own.name, Benches(replace(folded_task(), own=(own,)), RECIPE.model_copy(update={"epochs": 1}))
