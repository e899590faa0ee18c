"""From a trial to its models: what a search measured is what `train` measures again, and what the saved models predict."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from helpers.scripts_to_run import best_of_file, data_of, texts, write_csv
from scipy.special import softmax
from sklearn.metrics import f1_score, log_loss

from finetune.config import Data
from finetune.data.load import load_task
from finetune.folds import Folds
from finetune.training.benches import Benches
from finetune.training.oof import Oof
from finetune.training.run_folders import run_name
from finetune.training.saved import load_saved
from finetune.training.series import Series
from studies.planning.plan import make_plan
from studies.results.handed.several import train_several
from studies.running.folded import Folded
from studies.running.keeper import Keeper


def files_with_groups():
    rows = {"text": texts(24), "label": [n % 2 for n in range(24)], "site": [n // 2 % 7 for n in range(24)]}
    return Data(train_file=write_csv("rows.csv", rows))


def loss(labels, raw, fold_of):
    return np.mean([log_loss(labels, softmax(seed.astype(np.float64), 1)) for seed in raw])


def best_f1(labels, raw, fold_of):
    """The mean over folds, labels and the best of all cuts in each."""
    found = []
    for rows in (fold_of == fold for fold in range(3)):
        for truth, said in zip(labels[rows].T, raw[0][rows].T, strict=True):
            cuts = [said.min() - 1, *said]
            found.append(max(f1_score(truth, said > cut, zero_division=0.0) for cut in cuts))
    return np.mean(found)


CASES = {
    "groups, seeds, soup of averaged weights": (
        files_with_groups,
        ("log_loss", Folds(folds=2, group_column="site", seeds=2)),
        {"evals_per_epoch": 2, "score": "soup", "average": "ema", "gradient_accumulation": 2, "pooling": "mean"},
        loss,
    ),
    "thresholds of each fold": (
        lambda: data_of("multilabel", 24).model_copy(update={"thresholds": "tuned"}),
        ("macro_f1", Folds(folds=3, fold_score="mean")),
        {"evals_per_epoch": 2, "score": "best", "precision": "bf16"},
        best_f1,
    ),
}


@pytest.mark.parametrize(("files", "asked", "more", "by_hand"), CASES.values(), ids=CASES)
def test_the_value_of_a_trial_is_that_of_its_predictions_and_its_models(tmp_path, monkeypatch, files, asked, more, by_hand):
    monkeypatch.chdir(tmp_path)
    (metric, folds), best = asked, best_of_file(files(), asked[0], model="tiny", batch_size=2, **more)
    task = load_task(best.data, metric, folds)
    plan = make_plan("fgm", best.data, best.recipe, {"start_epoch": 0, "epsilon": 0.5}, folds=folds)
    made = Folded(plan, Series(Benches(task, best.recipe), folds, best.recipe, metric), tmp_path, tmp_path, lambda *_: None)
    made.keeper = Keeper(plan, metric, "films", tmp_path, 1)
    value = made(optuna.create_study(direction="minimize" if metric == "log_loss" else "maximize").ask())
    oof = Oof.load(tmp_path / "oof-0.safetensors")
    assert value == pytest.approx(by_hand(task.train.labels, oof.raw, oof.fold_of), rel=1e-6)
    recorded = best.recorded.model_copy(update={"value": value})
    best = best.model_copy(update={"folds": folds, "settings": plan.fixed, "recorded": recorded})
    assert train_several(best, folds, Path("again"), lambda line: None, lambda *_: None).value == value
    assert Oof.load(Path("again/oof.safetensors")).raw.tobytes() == oof.raw.tobytes()
    for part in made.series.parts:
        rows = np.flatnonzero(oof.fold_of == part.fold)
        for place in (Path("again"), tmp_path / "models" / "trial-0"):
            saved, said = load_saved(place / run_name(part)), oof.raw[part.seed][rows]
            assert saved.predict(task.train.take(rows)).tobytes() == said.tobytes()
            if made.series.kind.settles:  # on what the model says in the run's own precision
                assert saved.known.settled == tuple(made.series.kind.settle(task.train.labels[rows], said).tolist())
