"""A search with folds: killed in the third fold and taken up, shared by two processes, and what it leaves on disk."""

import os
import signal
import time
from pathlib import Path

import optuna
import pytest
from helpers.forks import forked
from helpers.refusals import assert_said, refused, rows
from helpers.searched_folders import searched_in

import search
from finetune.training.loop import Training
from finetune.training.oof import Oof

FEW = ["--train-file", "rows.csv", "--epochs", "3", "--batch-size", "16", "--learning-rate", "0.01"]
SEARCH = ["--method", "fgm", "--trials", "2", "--folds", "3", *FEW, "--set", "start_epoch=1"]
URL = "sqlite:///studies.db"
OURS = {"best.yaml", "oof-0.safetensors", "oof-1.safetensors", "report.html", "trials.csv"}


def found(folder="."):
    """What is stored of each trial."""
    trials = optuna.load_study(study_name="rows-fgm", storage=f"sqlite:///{folder}/studies.db").trials
    kept = [Oof.load(Path(folder) / "runs" / "rows-fgm" / f"oof-{trial.number}.safetensors") for trial in trials]
    names = ("metrics", "metrics by epoch", "diagnostics", "runs")
    attrs = [{name: trial.user_attrs[name] for name in names} for trial in trials]
    for each in attrs:
        each["runs"] = [{name: value for name, value in run.items() if name != "seconds"} for run in each["runs"]]
    return [
        (trial.value, trial.intermediate_values, trial.params, each, oof.raw.tobytes())
        for trial, each, oof in zip(trials, attrs, kept, strict=True)
    ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What an undisturbed search found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(searched_in(tmp_path_factory, *SEARCH))
        return found()


@pytest.fixture(autouse=True)
def _here(undisturbed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows())


def stop_at(name, act):
    """Do something when a snapshot of that name was written."""
    save = Training.save

    def saved(training, path):
        save(training, path)
        if path.name == name:
            act()

    Training.save = saved


def killed_at(name):
    stop_at(name, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return search.run(SEARCH)


def test_killed_in_the_third_fold_and_taken_up_the_values_are_those_of_the_undisturbed_search(undisturbed, capsys):
    for name in ("clean-run-2-1.safetensors", "trial-1-run-2-state.safetensors"):
        with forked(killed_at, name) as (process, _):
            pass
        assert process.exitcode == -signal.SIGKILL
    here = Path("runs/rows-fgm")
    assert {path.name for path in here.glob("trial-*")} == {
        *(f"trial-1-run-{run}.safetensors" for run in (0, 1)),
        "trial-1-run-2-state.safetensors",
        *(f"trial-1-run-{run}.lock" for run in (0, 1, 2)),
    }
    assert search.run(SEARCH) == 0
    assert found() == undisturbed
    said = capsys.readouterr().out
    assert "trial 1 is free again" in said
    names = {path.name for path in here.iterdir() if not path.name.startswith("predictions")}
    assert {name for name in names if not name.startswith(".used-by-")} == OURS
    assert {path.name for path in Path("runs/prefix").glob("*/clean*")} == {
        name for run in range(3) for name in (f"clean-run-{run}.safetensors", f"clean-run-{run}-1.safetensors")
    }
    assert search.run(["studies", "delete", "rows-fgm", "--yes"]) == 0
    assert [path for path in Path("runs").rglob("*") if path.is_file()] == []


def until(there):
    """Wait for a file that another process writes."""
    for _ in range(1200):
        if there():
            return
        time.sleep(0.05)
    raise AssertionError("the other process did nothing")


def waiting():
    """A search that pauses in the first run of its last trial until another process has trained the third."""

    def pause():
        Path("begun").touch()
        until(lambda: Path("runs/rows-fgm/trial-1-run-2.safetensors").exists())

    stop_at("trial-1-run-0-state.safetensors", pause)
    return search.run(SEARCH)


def test_another_process_trains_the_other_folds_of_a_running_trial(undisturbed, capsys):
    with forked(waiting) as (process, lines):
        until(lambda: Path("begun").exists())
        assert search.run(SEARCH) == 0
        theirs = lines.read()
    assert process.exitcode == 0
    said = capsys.readouterr().out
    for run in (2, 3):
        assert f"trial 1 of another process: trained its run {run} of 3" in said
    assert "best trial" not in theirs
    assert found() == undisturbed
    assert not [path.name for path in Path("runs/rows-fgm").iterdir() if path.name.startswith("trial-")]


def test_another_study_is_refused_before_anything_is_trained(capsys):
    few = [*FEW[:2], "--method", "fgm", "--trials", "1", "--epochs", "1", "--set", "start_epoch=0"]
    assert search.run([*few, "--folds", "2"]) == 0
    assert_said(
        capsys.readouterr().out,
        "rows in 2 folds",
        "a trial is 2 runs (one on each fold); its value is the accuracy of the out-of-fold predictions of all rows",
        "the best against clean fold by fold: ",
    )
    for other, difference in (
        (["--folds", "3"], "folds.folds: there 2, here 3"),
        ([], "folds.folds: there 2, here None"),
        (["--folds", "2", "--seeds", "2"], "folds.seeds: there 1, here 2"),
        (["--folds", "2", "--fold-score", "mean"], "folds.fold_score: there 'pooled', here 'mean'"),
        (["--folds", "2", "--group-column", "text"], "folds.group_column: there None, here 'text'"),
    ):
        assert_said(refused(capsys, *few, *other), "study 'rows-fgm' is about something else", difference)
