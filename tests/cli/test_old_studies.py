"""Studies and configurations of version 0.1.0 as it was first used: they open, go on and report.

``fixtures/reviews_awp_0_1_0.sql`` is the database that this command left then, but for the owner of each trial:
``search.py --method awp --trials 14 --explore 8 --epochs 3 --max-train-rows 80 --set adv_step=1``.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from helpers.places import ROOT

import search

DUMP = ROOT / "tests" / "fixtures" / "reviews_awp_0_1_0.sql"
SAME = ("--method", "awp", "--epochs", "3", "--max-train-rows", "80", "--set", "adv_step=1")
# What version 0.1.0 itself went on with.
NEXT = [
    {"adv_eps": 0.029851410854238692, "adv_lr": 0.0008991593899542155, "start_epoch": 0},
    {"adv_eps": 0.19885439906237737, "adv_lr": 0.0010668105586469354, "start_epoch": 0},
]


@pytest.fixture(autouse=True)
def _restored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("studies.db")) as database:
        database.executescript(DUMP.read_text(encoding="utf-8"))


def trials():
    return optuna.load_study(study_name="reviews-awp", storage="sqlite:///studies.db").trials


def test_an_old_study_goes_on_as_it_would_have(capsys):
    before = [(trial.params, trial.values, trial.state) for trial in trials()]
    assert search.run([*SAME, "--trials", "16"]) == 0
    said = capsys.readouterr().out
    assert "14 trials finished, 2 to go" in said
    after = trials()
    assert [(trial.params, trial.values, trial.state) for trial in after[:14]] == before
    for trial, settings in zip(after[14:], NEXT, strict=True):
        assert trial.params == pytest.approx(settings, rel=1e-6)


def test_an_old_study_reports_and_exports(capsys):
    assert search.run(["report"]) == 0
    said = capsys.readouterr().out
    assert "reviews-awp: 12 complete, 2 pruned, 0 fail" in said
    assert "best (trial 7)  0.6900" in said
    assert "clean baseline  0.6633" in said
    assert said.splitlines()[-1].startswith("next: python search.py confirm --study reviews-awp")
    assert Path("runs/reviews-awp/report.html").stat().st_size > 10_000


def test_an_old_configuration_is_trained(capsys):
    assert search.run(["train", str(DUMP.with_name("best_0_1_0.yaml"))]) == 0
    assert "recorded 0.690000" in capsys.readouterr().out


def test_an_old_study_is_confirmed(capsys):
    asked = ["confirm", "--race", "0", "--seeds", "1", "--parts", "0", "--against", "compute"]
    assert search.run(asked) == 0
    said = capsys.readouterr().out
    assert "beside the verdict, against clean training for" in said
    assert "read once" in said
    assert "confirmed:" in Path("runs/reviews-awp/best.yaml").read_text()
