"""A search that keeps models of its best trials, is continued with other wishes, and says what is not there."""

import shutil
from pathlib import Path

import optuna
import pytest
from helpers.refusals import SMALL, assert_said, refused, rows

import search
from studies import load
from studies.keeping import settle_models
from studies.report.screen import Screen
from studies.results.handed.kept import has_card
from studies.running.keeper import kept_in
from studies.running.standing import standing

ASK = ("--method", "fgm", "--train-file", "rows.csv", *SMALL)
HOME = Path("runs/rows-fgm")


@pytest.fixture(autouse=True)
def _rows(_here):
    Path("rows.csv").write_text(rows())


def test_models_of_the_best_are_kept(capsys):
    assert search.run([*ASK, "--keep", "top3"]) == 0
    assert kept_in(HOME) == [0, 1]
    said = capsys.readouterr().out
    assert_said(said, "written: runs/rows-fgm/models\n", "kB in models of 2 trials)")
    trial = load().study.trials[1]
    card = (HOME / "models/trial-1/README.md").read_text()
    assert has_card(HOME / "models/trial-1")
    assert_said(card, f"| validation | accuracy | {trial.value:.4g} |", f"| `epsilon` | `{trial.params['epsilon']}` |")
    assert search.run([*ASK, "--trials", "4", "--keep", "top3"]) == 0
    best = standing(optuna.load_study(study_name="rows-fgm", storage="sqlite:///studies.db"))
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
        f"`search.py export --study rows-fgm --trial {best[0]} > trial.yaml` and `search.py train trial.yaml --out runs",
    )
    assert_said(refused(capsys, *ASK, "--keep", "tpo3"), "--keep is 'tpo3'", "did you mean 'top3'?")


def test_kept_models_of_folds_have_cards_of_their_own_and_one_for_all():
    assert search.run([*ASK, "--keep", "best", "--folds", "2", "--trials", "1", "--seed", "3"]) == 0
    trial, place = load().study.trials[0], HOME / "models/trial-0"
    runs = [run["metrics"]["accuracy"] for run in trial.user_attrs["runs"]]
    cards = [(place / name / "README.md").read_text() for name in ("fold-0", "fold-1")]
    for number, (card, value) in enumerate(zip(cards, runs, strict=True)):
        assert_said(card, f"| the rows of fold {number} | accuracy | {value:.4g} |", "seed 3")
    whole = (place / "README.md").read_text()
    assert_said(whole, f"| out of fold | accuracy | {trial.value:.4g} |", "names, logits = ['fold-0', 'fold-1'], []")
