"""A search by a metric of the user's own, end to end: what it stores, how it goes on, and what it refuses."""

from pathlib import Path

import optuna
import pytest
import yaml
from helpers.refusals import SMALL, assert_said, refused, rows

import search

CODE = """
import numpy as np

def cost(labels, predictions, names):
    assert names == ("bad", "good")
    return np.abs(labels - predictions[:, 1]).mean()

def weak(labels, predictions):
    if (predictions[:, 0] > 0.5).all():
        raise ValueError("one class")
    return 1.0
"""
ASKED = ("--method", "fgm", "--train-file", "rows.csv", *SMALL, "--metric", "mine.py:cost:minimize")


@pytest.fixture(autouse=True)
def _files():
    Path("rows.csv").write_text(rows())
    Path("mine.py").write_text(CODE)


def test_a_search_and_its_model_are_by_it_as_long_as_the_file_is_the_same(capsys):
    assert search.run(list(ASKED)) == 0
    study = optuna.load_study(study_name="rows-fgm", storage="sqlite:///studies.db")
    assert [trial.value for trial in study.trials] == [trial.user_attrs["metrics"]["mine.py:cost"] for trial in study.trials]
    assert study.direction.name == "MINIMIZE"
    best = yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())
    assert best["metric"] == f"{Path('mine.py').resolve()}:cost:minimize"
    assert "mine.py:cost" in Path("runs/rows-fgm/report.html").read_text()
    assert search.run(["train", "runs/rows-fgm/best.yaml", "--out", "model"]) == 0
    assert "the same" in capsys.readouterr().out
    assert_said(refused(capsys, *ASKED[:-1], "./mine.py:cost"), "direction: there 'minimize', here 'maximize'")
    Path("mine.py").write_text(CODE + "\n")
    assert_said(refused(capsys, *ASKED), "study 'rows-fgm': mine.py has changed since it began", "--study name")
    assert_said(refused(capsys, "confirm", "--study", "rows-fgm"), "mine.py has changed since it began")


def test_a_function_that_fails_is_refused_before_the_search(capsys):
    Path("mine.py").write_text("def cost(labels, predictions): return labels[1000]")
    said = refused(capsys, *ASKED)
    assert_said(said, "--metric mine.py:cost, tried on", "raised IndexError: index 1000 is out of bounds")
