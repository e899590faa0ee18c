"""A search that keeps models of its best trials, is continued with other wishes, and says what is not there."""

import shutil
from pathlib import Path

import optuna
from helpers.refusals import SMALL, assert_said, refused

import search
from studies import load
from studies.keeping import settle_models
from studies.report.screen import Screen
from studies.running.keeper import kept_in
from studies.running.standing import standing

ASK = ("--method", "fgm", *SMALL)
HOME = Path("runs/reviews-fgm")


def test_models_of_the_best_are_kept(capsys):
    assert search.run([*ASK, "--keep", "top3"]) == 0
    assert kept_in(HOME) == [0, 1]
    said = capsys.readouterr().out
    assert_said(said, "written: runs/reviews-fgm/models\n", "kB in 2 models)")
    assert search.run([*ASK, "--trials", "4", "--keep", "top3"]) == 0
    best = standing(optuna.load_study(study_name="reviews-fgm", storage="sqlite:///studies.db"))
    assert kept_in(HOME) == sorted(best[:3])

    assert search.run([*ASK, "--trials", "4", "--keep", "best"]) == 0  # nothing is left to do but this
    assert kept_in(HOME) == best[:1]
    result = load()
    settle_models(result, "none", Screen.of(False))  # what an earlier search kept stays
    assert kept_in(HOME) == best[:1]
    assert result.files == []
    shutil.rmtree(HOME / "models")
    capsys.readouterr()
    assert search.run([*ASK, "--trials", "4", "--keep", "best"]) == 0
    assert_said(
        capsys.readouterr().out,
        f"the model of trial {best[0]} is not there: a search without --keep best trained it, or it was deleted",
        f"`search.py export --study reviews-fgm --trial {best[0]} > trial.yaml` and `search.py train trial.yaml --out runs",
    )
    assert_said(refused(capsys, *ASK, "--keep", "tpo3"), "--keep is 'tpo3'", "did you mean 'top3'?")
