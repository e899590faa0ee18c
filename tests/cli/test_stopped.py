"""A search that is stopped says what it left on disk, and a finished one what it keeps."""

import os
import signal
from pathlib import Path

import pytest
from helpers.refusals import assert_said, studies

import search
from finetune.training.loop import Training

FEW = ["--max-train-rows", "60", "--max-validation-rows", "60", "--no-calibrate"]
SEARCH = ["--method", "fgm", "--trials", "2", "--epochs", "3", *FEW, "--set", "start_epoch=1"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A shell starts what runs in its background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stop_at(monkeypatch, name, how):
    """Stop the process when it has written a snapshot of that name."""
    save = Training.save

    def saved(training, path):
        save(training, path)
        if path.name == name:
            os.kill(os.getpid(), how)

    monkeypatch.setattr(Training, "save", saved)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_a_trial_and_gone_on(how, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_at(patch, "trial-1.safetensors", how)
        assert search.run(SEARCH) == search.STOPPED
    said = capsys.readouterr()
    left = next(line for line in said.out.splitlines() if line.startswith("left on disk"))
    assert_said(
        left,
        "kB in runs/reviews-fgm (where unfinished trials go on)",
        "of clean epochs in runs/prefix/",
        "the same search goes on from there, `search.py clean --all reviews-fgm` frees it, `search.py studies delete",
    )
    assert "nothing is lost" in said.err
    assert Path("runs/reviews-fgm/trial-1.safetensors").exists()

    assert search.run(SEARCH) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.startswith("left on disk")]
    assert not list(Path("runs/reviews-fgm").glob("trial-*"))
    kept = [line for line in lines if "clean epochs for other searches" in line]
    assert len(kept) == 1
    assert_said(
        kept[0], "disk: ", " in runs/reviews-fgm and ", " in runs/prefix/", "`search.py clean reviews-fgm` frees what"
    )
    assert search.run(["studies", "delete", "reviews-fgm", "--yes"]) == 0
    assert [path for path in Path("runs").rglob("*") if path.is_file()] == []


def test_stopped_in_clean_training(monkeypatch, capsys):
    stop_at(monkeypatch, "clean-1.safetensors", signal.SIGTERM)
    assert search.run(SEARCH) == search.STOPPED
    said = capsys.readouterr().out.splitlines()[-1]
    assert_said(said, "left on disk:", "kB of clean epochs in runs/prefix/", "delete the folder to free it")
    assert studies() == []


def test_a_search_whose_time_is_up_says_how_far_it_came(capsys):
    assert search.run([*SEARCH, "--timeout", "1e-9"]) == 0
    said = capsys.readouterr().out
    assert_said(said, "--timeout 1e-09 ended the search at 0 of 2 trials; the same search goes on from here")
    assert search.run(SEARCH) == 0
    assert "ended the search" not in capsys.readouterr().out
