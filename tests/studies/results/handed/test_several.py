"""A configuration trained on every fold and with every seed: folders, predictions, cards; taken up, and refused."""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.scripts_to_run import best_of_file, data_of
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold

from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks.own_metric import read_own
from finetune.training.benches import Benches
from finetune.training.oof import Oof
from finetune.training.saved import load_saved
from finetune.training.series import Series
from studies.results.handed.folders import claimed, record_of, refuse_foreign
from studies.results.handed.judged import deviation_over
from studies.results.handed.several import clock, finished_told, train_several
from studies.results.handed.writing import sections


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(best, out="models", said=None, **folds):
    lines = [] if said is None else said
    return train_several(best, Folds(**folds), Path(out), lines.append, lambda who, epoch: None)


def written(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_every_fold_and_seed_has_its_folder_and_the_predictions_are_out_of_fold():
    best = best_of_file(data_of("classification", 60), "accuracy", model="tiny")
    said = []
    found = trained(best, said=said, folds=3, seeds=2)
    names = ["fold-0", "fold-1", "fold-2", "fold-0-seed-1", "fold-1-seed-1", "fold-2-seed-1"]
    assert list(found.runs) == names
    task = load_task(best.data, "accuracy", Folds(folds=3))
    oof = Oof.load(Path("models/oof.safetensors"))
    # Each row is predicted by the model that has not seen its fold, which is scikit-learn's own.
    splitter = StratifiedKFold(3, shuffle=True, random_state=0)
    for fold, (_, rows) in enumerate(splitter.split(task.train.texts, task.train.labels)):
        assert set(np.flatnonzero(oof.fold_of == fold)) == set(rows)
        for seed in range(2):
            saved = load_saved(Path("models") / names[fold + 3 * seed])
            np.testing.assert_array_equal(saved.predict(task.train.take(rows)), oof.raw[seed][rows])
    values = [accuracy_score(task.train.labels, raw.argmax(1)) for raw in oof.raw]
    assert found.value == pytest.approx(np.mean(values))
    assert oof.value == found.value
    table = list(csv.DictReader(Path("models/oof.csv").read_text().splitlines()))
    assert [row["text"] for row in table] == task.train.texts
    assert [int(row["fold"]) for row in table] == oof.fold_of.tolist()
    mean = torch.tensor(oof.raw).double().softmax(-1).mean(0).numpy()
    assert [float(row["p 1"]) for row in table] == pytest.approx(mean[:, 1], abs=1e-4)
    start = f"accuracy {found.value:.4f} out of fold (pooled over 3 folds and mean over 2 seeds)"
    assert found.sentences[0].startswith(start)
    assert found.sentences[1].endswith("of one model, with seed 0, on its validation rows: not comparable")
    assert not found.same
    runs = np.array(list(found.runs.values())).reshape(2, 3)
    sds = f"sd {runs.mean(0).std(ddof=1):.4f} over folds and {runs.mean(1).std(ddof=1):.4f} over seeds"
    assert sds in found.sentences[0]
    # Of a share, the error follows from value and rows; two seeds err together.
    assert math.isclose(found.error, math.sqrt(found.value * (1 - found.value) / len(oof.fold_of)), rel_tol=0.4)
    assert sum(" of 6" in line and line.startswith("fold-") for line in said) == 6
    assert "to go" in said[-2]
    assert any("6 models of" in line and "free" in line for line in said)
    assert "out of fold" in Path("models/README.md").read_text()
    assert str(Path.cwd()) not in "".join(path.read_text() for path in Path("models").rglob("*.md"))
    assert str(Path.cwd()) not in Path("models/train.json").read_text()
    again, before = [], written("models")
    assert trained(best, said=again, folds=3, seeds=2).value == found.value
    assert not any(line.startswith("fold-") for line in again)
    assert any("6 runs of 6 in models are finished" in line for line in again)
    assert written("models") == before


class Stopped(Exception):
    """As a kill: nothing after it is done."""


def test_stopped_in_the_third_run_and_taken_up_all_is_as_undisturbed():
    best = best_of_file(data_of("multilabel"), "macro_f1", model="tiny")
    best = best.model_copy(update={"data": best.data.model_copy(update={"thresholds": "tuned"})})
    trained(best, "whole", folds=3)

    def stop(who, epoch):
        if who == "fold-2":
            raise Stopped

    with pytest.raises(Stopped):
        train_several(best, Folds(folds=3), Path("models"), print, stop)
    assert sorted(path.name for path in Path("models").iterdir()) == [".runs", "fold-0", "fold-1", "train.json"]
    Path("models/.writing-killed").mkdir()
    (Path("models") / "fold-1" / "advsearch.json").unlink()  # a folder that is not whole is trained again
    trained(best, folds=3)
    whole, taken_up = written("whole"), written("models")
    assert whole.keys() == taken_up.keys()
    for name in whole:
        if not name.startswith(".runs"):  # they hold how long each epoch took
            assert whole[name] == taken_up[name], name
    chosen = json.loads(Path("models/mean.json").read_text())["chosen"]
    assert len(chosen) == 3
    [last] = re.findall(r"is above its threshold: .* (0\.\d+)\.\n", Path("models/README.md").read_text())
    assert float(last) == pytest.approx(1 / (1 + math.exp(-chosen[2])), abs=1e-4)
    # More seeds later: what is there stays.
    said = []
    trained(best, said=said, folds=3, seeds=2)
    assert any("3 runs of 6 in models are finished" in line for line in said)
    assert "fold-2-seed-1 are there too" in trained(best, folds=3).notes[-1]


def record(best, **given):
    folds = Folds(**given)
    benches = Benches(load_task(best.data, best.metric, folds), best.recipe)
    return record_of(best, Series(benches, folds, best.recipe, best.measured))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"epsilon": 0.7}}, "epsilon 0.5 then, 0.7 now"),
        ({"seed": 4}, "seed 0 then, 4 now"),
        ({"folds": 4}, "folds 3 then, 4 now"),
        ({"fold_score": "mean"}, "fold_score pooled then, mean now"),
        ({"rows": 38}, "data"),
    ],
)
def test_a_folder_of_another_configuration_is_refused(change, words):
    best = best_of_file(data_of("classification"), "accuracy", model="tiny")
    with claimed(Path("models"), record(best, folds=3)):
        pass
    refuse_foreign(Path("models"), record(best, folds=3, seeds=4))
    folds = {"folds": 3} | {name: change[name] for name in change if name.startswith("fold")}
    if "settings" in change:
        best = best.model_copy(update={"settings": change["settings"]})
    if "seed" in change:
        best = best.model_copy(update={"recipe": best.recipe.model_copy(update={"seed": 4})})
    if "rows" in change:
        data_of("classification", change["rows"])
    before = written("models")
    with pytest.raises(UserError, match="has runs of another configuration") as caught:
        trained(best, **folds)
    assert words in str(caught.value)
    assert written("models") == before


@pytest.mark.parametrize("there", ["fold-1", "model", "damaged", "foreign", "file"])
def test_what_is_not_ours_is_never_touched(there):
    best = best_of_file(data_of("classification"), "accuracy", model="tiny")
    Path("models").mkdir()
    if there == "fold-1":
        Path("models/fold-1").mkdir()
        Path("models/fold-1/mine.txt").write_text("mine")
    elif there == "file":
        Path("models").rmdir()
        Path("models").write_text("mine")
    else:
        name = "config.json" if there == "model" else "train.json"
        Path(f"models/{name}").write_text('{"format": ' if there == "damaged" else '{"steps": 3}')
    before = written(".")
    with pytest.raises(UserError, match="out='models'"):
        trained(best, folds=3)
    assert written(".") == before


def test_other_files_and_readmes_of_the_user_stay():
    best = best_of_file(data_of("regression"), "rmse", model="tiny")
    Path("models").mkdir()
    Path("models/README.md").write_text("# Mine\n")
    Path("models/notes.txt").write_text("mine")
    found = trained(best, folds=2)
    assert Path("models/README.md").read_text() == "# Mine\n"
    assert Path("models/notes.txt").read_text() == "mine"
    assert "out of fold" in Path("models/MODEL_CARD.md").read_text()
    assert any("README.md was not written by this program" in line for line in found.notes)


def test_seeds_alone_are_scored_on_the_validation_rows():
    best = best_of_file(data_of("number"), "qwk", model="tiny")
    found = trained(best, seeds=3)
    assert list(found.runs) == ["fold-0", "fold-0-seed-1", "fold-0-seed-2"]
    assert found.value == pytest.approx(np.mean(list(found.runs.values())))
    assert "on the validation rows (mean over 3 seeds)" in found.sentences[0]
    assert Path("models/validation.csv").is_file()
    assert not Path("models/oof.safetensors").exists()
    seeds = [json.loads(Path(f"models/{name}/advsearch.json").read_text())["recipe"]["seed"] for name in found.runs]
    assert seeds == [0, 1, 2]


def test_two_processes_do_not_train_into_one_folder():
    best = best_of_file(data_of("classification"), "accuracy", model="tiny")
    with (
        claimed(Path("models"), record(best, folds=2)),
        pytest.raises(UserError, match="out='models': another process is training there"),
    ):
        trained(best, folds=2)
    assert trained(best, folds=2).runs.keys() == {"fold-0", "fold-1"}


def test_no_room_is_refused_before_anything_is_trained(monkeypatch):
    best = best_of_file(data_of("classification"), "accuracy", model="tiny")
    assert not Path("models").exists()
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match=r"3 models of .* has 1.0 kB free; free some space, or train fewer folds"):
        trained(best, folds=3)


def test_the_spread_over_folds_is_that_of_their_means_and_skips_what_is_not_defined():
    values = {(0, 0): 0.1, (1, 0): 0.5, (0, 1): 0.3, (1, 1): math.nan}
    assert deviation_over(values, 0) == pytest.approx(np.std([0.2, 0.5], ddof=1))
    assert deviation_over(values, 1) == pytest.approx(np.std([0.3, 0.3], ddof=1))
    assert math.isnan(deviation_over({(0, 0): 0.1}, 0))


def test_metrics_of_other_views_and_of_one_s_own_have_their_value():
    Path("mine.py").write_text(
        "def half(labels, predictions):\n    return 0.25 + (labels == predictions.argmax(1)).mean() / 2\n"
    )
    data = data_of("classification")
    metric = f"{Path('mine.py').resolve()}:half"
    read_own(metric)
    best = best_of_file(data, metric, model="tiny")
    found = trained(best, "own", folds=2)
    assert "half" in found.sentences[0]
    assert math.isfinite(found.error)
    assert str(Path.cwd()) not in Path("own/README.md").read_text() + Path("own/train.json").read_text()
    found = trained(best_of_file(data, "noisy_accuracy", model="tiny"), "noisy", folds=2)
    assert math.isnan(found.error)
    assert "standard error" not in found.sentences[0]
    assert "| noisy\\_accuracy | " in Path("noisy/README.md").read_text()
    assert "not known" in Path("noisy/README.md").read_text()


def test_other_versions_are_said_and_a_card_of_the_user_in_a_fold_stays():
    best = best_of_file(data_of("classification"), "accuracy", model="tiny")
    trained(best, folds=2)
    record = json.loads(Path("models/train.json").read_text())
    Path("models/train.json").write_text(json.dumps(record | {"versions": record["versions"] | {"torch": "1.2.3"}}))
    for name in ("fold-0", "fold-1"):
        Path(f"models/{name}/README.md").write_text("# Mine\n")
    found = trained(best, folds=2, seeds=2)
    assert any("torch 1.2.3 then" in line for line in found.notes)
    assert json.loads(Path("models/train.json").read_text())["versions"]["torch"] == "1.2.3"
    assert Path("models/fold-0/README.md").read_text() == "# Mine\n"
    assert "each is loaded as its card says" in Path("models/README.md").read_text()
    Path("models/train.json").write_text(json.dumps(record | {"device": "cuda"}))
    with pytest.raises(UserError, match="device cuda then, cpu now"):
        trained(best, folds=2)


def test_words():
    assert [clock(seconds) for seconds in (0.31, 59.4, 61, 3700)] == ["0.31 s", "59 s", "1 min", "1 h 2 min"]
    kept = "# An encoder\n\nText.\nThis needs torch:\n\n```python\n# code\n```\n\nOutputs: a.\n# Thresholds\n"
    assert sections(kept) == "## An encoder\n\nText.\n\nOutputs: a.\n## Thresholds"


def test_finished_runs_are_counted():
    assert finished_told(1, 6, Path("m")) == "1 run of 6 in m is finished and stays as it is"
    assert finished_told(2, 6, Path("m")) == "2 runs of 6 in m are finished and stay as they are"
