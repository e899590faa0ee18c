"""Ensembles of studies: what is selected and said, and what cannot be combined."""

import json
from pathlib import Path

import numpy as np
import optuna
import pytest
from helpers.made_up_oof import DATA, folded_study
from helpers.refusals import rows
from helpers.worker_processes import close_all, storage_of

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.training.epoch import Epoch
from finetune.training.members import ENSEMBLE
from finetune.training.oof import Oof
from studies import ensemble, ensembling
from studies.report.screen import Screen
from studies.results.candidates import candidates_of, summaries_of
from studies.results.ensemble import write_ensemble
from studies.running.storage import LINK

URL = "sqlite:///s.db"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    close_all()


def base():
    return storage_of(URL)


def chosen(*names, **options):
    return ensemble(*names, storage=URL, train=False, **options)


def test_trials_of_two_studies_are_combined(capsys):
    folded_study(base(), "one", [0.8, 0.75, 0.6])
    folded_study(base(), "two", [0.8, 0.7, 0.5], seed=5, seeds=2)
    found = chosen("one", "two")
    frame = found.to_frame()
    assert list(frame.columns) == ["study", "trial", "weight", "accuracy", "settings"]
    assert len(frame) == 6
    assert frame.weight.sum() == pytest.approx(1)
    assert frame.weight.is_monotonic_decreasing
    assert found.value >= frame.accuracy.max()
    labels = load_task(Data(**DATA), None, Folds(folds=3)).validation.labels
    mean = 0
    for each, weight in found.members:
        raw = Oof.load(Path("runs", each.study, f"oof-{each.number}.safetensors")).raw.astype(float)
        shares = np.exp(raw) / np.exp(raw).sum(-1, keepdims=True)
        mean = mean + weight * shares.mean(0)
        assert each.number != 2  # it was pruned
    assert found.value == np.mean(mean.argmax(1) == labels)
    said = capsys.readouterr().out
    assert "6 trials of one and two with out-of-fold predictions of 34 rows in 3 folds\n" in said
    assert "the seeds of a trial are averaged before it is scored; its study has the mean of the values" in said
    assert f"ensemble accuracy {found.value:.4f}, the best trial alone (" in said
    assert f"(nested): ensemble {found.nested.ensemble:.4f}, best trial {found.nested.single:.4f}, difference " in said
    assert found.folder is None
    assert not Path("runs/ensemble").exists()
    assert [set(facts) for facts in [json.loads(write_ensemble(found, Path("e")).read_text())]] == [
        {"format", "metric", "value", "mean", "nested", "chosen", "members"}
    ]


def test_lines_about_data_are_printed_once_and_those_about_runs_for_each_member():
    screen, heard, said = Screen(None), set(), []
    for _ in range(2):
        teller = ensembling.Teller(screen, lambda who, epoch: said.append(who), heard)
        teller.tell("rows: 34")
        teller.on_epoch("fold-0", Epoch(0, {}, {}, None, 0.0))
        teller.tell("fold-0: accuracy 0.5, 1 of 1")
    assert screen.said == ["rows: 34", "fold-0: accuracy 0.5, 1 of 1", "fold-0: accuracy 0.5, 1 of 1"]
    assert said == ["fold-0", "fold-0"]


def test_the_file_that_predict_reads():
    folded_study(base(), "my study", [0.8, 0.7, 0.6])
    found = chosen()
    facts = json.loads(write_ensemble(found, Path("out")).read_text())
    assert facts["format"] == "advsearch ensemble 1"
    assert (facts["mean"], facts["chosen"]) == ("probabilities", None)
    for member in facts["members"]:
        assert member["folder"] == f"{found.candidates[0].folder.name}-trial-{member['trial']}"
        assert member["study"] == "my study"
        assert member["weight"] > 0
    assert sum(member["weight"] for member in facts["members"]) == pytest.approx(1)
    assert [path.name for path in Path("out").iterdir()] == [ENSEMBLE]


def test_a_long_selection_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(ensembling, "LONG", 0.0)
    folded_study(base(), "one", [0.9, 0.6, 0.5])
    chosen(size=1)
    assert "selecting from 3 trials, once on all folds and once without each: about " in capsys.readouterr().out


def test_one_member_and_few_members():
    folded_study(base(), "one", [0.9, 0.6, 0.5])
    found = chosen(size=1)
    assert [(each.number, weight) for each, weight in found.members] == [(0, 1.0)]
    assert "one trial was chosen" in found.sentences()[-1]
    assert sum(chosen(size=3).picked.counts) <= 3
    with pytest.raises(UserError, match="an ensemble has at least 1 member"):
        chosen(size=0)


def spoil(name, content):
    Path("runs", "one", name).write_bytes(content)


def test_files_that_cannot_be_used_are_left_out_and_told(capsys):
    folded_study(base(), "one", [0.8, 0.7, 0.6])
    whole = Path("runs/one/oof-1.safetensors").read_bytes()
    spoil("oof-0.safetensors", whole[:50])
    spoil("oof-2.safetensors", whole)  # of a pruned trial
    found = chosen()
    assert sorted(each.number for each in found.candidates) == [1, 3]
    assert "left out: trial 0 of study one (runs/one/oof-0.safetensors is damaged" in capsys.readouterr().out
    Oof(np.zeros((1, 34, 2), "float32"), np.arange(34) % 3, 0.5, "accuracy", "another").save(
        Path("runs/one/oof-3.safetensors")
    )
    with pytest.raises(UserError, match="only trial 1 of study one has out-of-fold predictions"):
        chosen()
    spoil("oof-1.safetensors", b"")
    with pytest.raises(UserError, match="none of its out-of-fold predictions in runs/one can be used; left out: trial"):
        chosen()


def two(**other):
    folded_study(base(), "one", [0.8, 0.7, 0.6])
    return folded_study(base(), "two", [0.8, 0.7, 0.6], **other)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"metric": "macro_f1"}, "one searched accuracy, the other macro_f1"),
        ({"folds": {"folds": 4}}, "folds=3 and folds=4"),
        ({"data": DATA | {"max_train_rows": 20}}, "max_train_rows=None and max_train_rows=20"),
        ({"data fingerprint": "f" * 16}, "the rows, folds or class names in their files are not the same"),
        ({"metric source": {"accuracy": "x"}}, "the file of accuracy was another one"),
        (
            {"folds": {}},
            "study 'two' has no out-of-fold predictions, and an ensemble is selected by them: search with folds=5",
        ),
        ({"folds": {"seeds": 3}}, "study 'two' has no out-of-fold predictions"),
        (
            {"data": DATA | {"label_column": ("text",), "text_column": "label"}},
            "label_column=['label'] and label_column=['text']",
        ),
    ],
)
def test_studies_that_cannot_be_combined(other, said):
    if "label_column" in other.get("data", {}):
        folded_study(base(), "one", [0.8, 0.7, 0.6])
        found = folded_study(base(), "two", [None] * 3)
        known = found.user_attrs["identity"]
        changed = {"label_column": ["text"], "text_column": "label"}
        found.set_user_attr("identity", known | {"data": known["data"] | changed, "data fingerprint": "e" * 16})
    else:
        two(**other)
    with pytest.raises(UserError) as error:
        chosen("one", "two")
    assert said in str(error.value)
    assert str(error.value).count("\n") == 0


def test_names_that_are_no_studies_to_combine():
    two()
    stage = optuna.create_study(storage=base(), study_name="one.race")
    stage.set_user_attr(LINK, {"of": "one", "stage": "race"})
    for names, said in [
        (["one", "tow"], "there is no study 'tow' in sqlite:///s.db; did you mean 'two'?"),
        (["one.race"], "'one.race' is a part of the confirmation of study 'one': name that study"),
        (["one", "one"], "study 'one' is named twice"),
        ([], "study is needed"),
    ]:
        with pytest.raises(UserError) as error:
            chosen(*names)
        assert said in str(error.value)
    optuna.create_study(storage=base(), study_name="foreign")
    with pytest.raises(UserError, match="'foreign' was not made by this program"):
        chosen("foreign")


def test_predictions_that_are_gone_and_data_that_has_changed():
    folded_study(base(), "one", [0.8, 0.7, 0.6])
    with pytest.raises(UserError, match="study 'one' has no folder elsewhere/one: where are its files"):
        chosen(runs="elsewhere")
    for path in Path("runs/one").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="has no out-of-fold predictions in runs/one: they were deleted"):
        chosen()
    Path("rows.csv").write_text(rows(50))
    with pytest.raises(UserError, match="its data has changed since the search"):
        chosen()
    Path("rows.csv").unlink()
    with pytest.raises(UserError, match="study 'one': its data cannot be read"):
        chosen()


def test_an_own_loop_has_none():
    folded_study(base(), "one", [0.8, 0.7, 0.6], folds={}, data=None)
    study = optuna.load_study(study_name="one", storage=base())
    study.set_user_attr("identity", study.user_attrs["identity"] | {"data": {"loop": "mine.train"}})
    with pytest.raises(UserError, match="was searched with your own loop"):
        summaries_of([study])


def test_studies_that_are_judged_in_two_ways_are_judged_by_all_rows():
    two(folds={"folds": 3, "fold_score": "mean"})
    found = chosen("one", "two")
    assert "here all rows count" in found.lines[1]
    task = load_task(Data(**DATA), None, Folds(folds=3))
    summaries = summaries_of([optuna.load_study(study_name="two", storage=base())])
    assert sorted(each.number for each in candidates_of(summaries, task, "runs")[0]) == [0, 1, 3]
    mean = chosen("two")
    assert len(mean.lines) == 1
    by_fold = [np.mean(hits) for hits in by_folds(mean, task)]
    assert mean.value == pytest.approx(np.mean(by_fold))


def by_folds(found, task):
    """For each fold, whether the ensemble is right about its rows."""
    mean = 0
    for each, weight in found.members:
        raw = each.oof.raw.astype(float)
        mean = mean + weight * (np.exp(raw) / np.exp(raw).sum(-1, keepdims=True)).mean(0)
    right = mean.argmax(1) == task.validation.labels
    return [right[task.fold_of == fold] for fold in range(3)]


def test_of_a_metric_in_another_view_the_predictions_as_they_are_count():
    folded_study(base(), "one", [0.8, 0.7, 0.6], metric="robust_accuracy")
    found = chosen()
    assert found.metric == "accuracy"
    assert "chosen by robust_accuracy, and ensembles are by accuracy" in found.lines[1]
