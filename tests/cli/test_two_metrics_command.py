"""A search with two metrics, end to end: what it stores and prints, how it goes on, and what it refuses."""

from pathlib import Path

import optuna
import pytest
import yaml
from helpers.refusals import SMALL, assert_said, refused
from helpers.searched_folders import searched_in
from optuna.study import StudyDirection

import search
from studies import load, tune
from studies import search as search_door

URL = "sqlite:///studies.db"
ASKED = ("--method", "fgm", "--train-file", "rows.csv", *SMALL)
BOTH = (*ASKED, "--metric", "accuracy,seconds")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a study of two metrics and two trials."""
    return searched_in(tmp_path_factory, *BOTH)


@pytest.fixture(autouse=True)
def _here(begun, monkeypatch):
    monkeypatch.chdir(begun)


def study(name="rows-fgm"):
    return optuna.load_study(study_name=name, storage=URL)


def test_it_is_a_study_with_two_named_directions():
    found = study()
    assert found.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    assert found.metric_names == ["accuracy", "seconds"]
    for trial in found.trials:
        assert trial.values == [trial.user_attrs["metrics"]["accuracy"], trial.user_attrs["seconds"]]
    assert {trial.number for trial in found.best_trials} >= {trial.number for trial in load().front}


def test_it_goes_on_and_shows_the_front(capsys):
    before = [(trial.params, trial.values) for trial in study().trials]
    assert search.run([*BOTH, "--trials", "3"]) == 0
    said = capsys.readouterr().out
    assert "2 trials finished, 1 to go" in said
    assert "metric accuracy (higher is better) and seconds (lower is better)" in said
    assert "no trial is stopped early: what falls behind in accuracy may be ahead in seconds" in said
    assert "front of accuracy and seconds, " in said
    assert "could not be written" not in said
    assert [(trial.params, trial.values) for trial in study().trials[:2]] == before
    assert len(study().trials) == 3


def test_python_goes_on_with_the_same_study():
    given = {"trials": 2, "epochs": 1, "max_train_rows": 40, "train_file": "rows.csv", "progress": False}
    result = search_door("fgm", metric=("accuracy", "seconds"), **given)
    assert result.front[0].number == result.best.number
    assert result.front[0].values == tuple(study().trials[result.best.number].values)
    assert yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())["front"]["metric"] == "seconds"


@pytest.mark.parametrize(
    ("options", "apart"),
    [
        ([], "second metric: there 'seconds', here None."),
        (["--metric", "accuracy"], "second metric: there 'seconds', here None."),
        (["--metric", "accuracy,log_loss"], "second metric: there 'seconds', here 'log_loss'"),
        (["--metric", "accuracy,robust_accuracy"], "second metric: there 'seconds', here 'robust_accuracy'"),
        (["--metric", "mcc,seconds"], "metric: there 'accuracy', here 'mcc'"),
    ],
)
def test_other_metrics_are_another_study(capsys, options, apart):
    assert_said(refused(capsys, *ASKED, *options), "rows-fgm", apart)


def test_trials_with_one_value_are_not_taken_over(capsys):
    assert search.run([*ASKED, "--study", "one"]) == 0
    for asked, source, apart in (
        (BOTH, "one", "there None, here 'seconds'"),
        (ASKED, "rows-fgm", "there 'seconds', here None"),
    ):
        said = refused(capsys, *asked, "--from", source, "--study", "taken")
        assert_said(said, f"second metric: {apart}")
    assert search.run([*BOTH, "--from", "rows-fgm", "--study", "taken", "--trials", "4"]) == 0
    assert [len(trial.values) for trial in study("taken").trials] == [2] * 4


def test_another_trial_is_exported(capsys):
    assert search.run(["export", "--study", "rows-fgm", "--trial", "1"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["recorded"]["trial"] == 1
    assert_said(refused(capsys, "export", "--study", "rows-fgm", "--trial", "7"), "--trial 7", "no finished trial 7")


def test_a_confirmation_is_about_the_first(capsys):
    assert search.run(["confirm", "--study", "rows-fgm", "--seeds", "2", "--race", "0"]) == 0
    said = capsys.readouterr().out
    assert "the confirmation is about accuracy, the first metric; seconds is left out" in said
    assert study("rows-fgm.verdict").directions == [StudyDirection.MAXIMIZE]


def test_a_loop_of_your_own_searches_one():
    from finetune.errors import UserError

    for metric in ("loss,seconds", ("loss", "seconds"), ["loss"], 3, None):
        with pytest.raises(UserError, match="tune searches one metric"):
            tune(lambda run: 0.0, "fgm", epochs=1, trials=1, metric=metric)
