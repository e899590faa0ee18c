"""The command that selects an ensemble, trains it once, and leaves what can be asked."""

import json
from pathlib import Path

import numpy as np
from helpers.refusals import SMALL, assert_said, refused, rows

import search
from finetune.tasks.means import mean_of
from finetune.tasks.task import Rows
from finetune.training.saved import load_saved
from studies import clean, load
from studies.commands.ensemble import print_members
from studies.ensembling import ensemble
from studies.report.screen import Screen
from studies.results.ensemble import Ensemble

TEXTS = Rows([f"the {word} film, again" for word in ("good", "bad", "new")], None, np.zeros(3))


def test_an_ensemble_is_selected_and_trained_once(capsys):
    Path("rows.csv").write_text(rows())
    ask = ("--method", "fgm", "--train-file", "rows.csv", *SMALL)
    assert search.run([*ask, "--folds", "2", "--study", "folded"]) == 0
    assert search.run([*ask, "--study", "plain", "--trials", "1"]) == 0
    assert_said(
        refused(capsys, "ensemble", "plain"), "study 'plain' has no out-of-fold predictions", "search with --folds 5"
    )
    assert_said(refused(capsys, "ensemble", "flded"), "there is no study 'flded'", "did you mean 'folded'?")
    assert_said(refused(capsys, "ensemble", "folded", "--size", "0"), "--size 0: an ensemble has at least 1 member")
    assert_said(refused(capsys, "ensemble", "folded", "--runs", "away"), "where are its files? --runs says it")
    assert_said(refused(capsys, "ensemble", "folded", "--license", "no!"), "--license 'no!'")

    assert search.run(["ensemble", "folded", "--no-train"]) == 0
    said = capsys.readouterr().out
    assert_said(
        said, "2 trials of folded with out-of-fold predictions of 34 rows in 2 folds", "weight", "epsilon=", "nested"
    )
    assert not Path("runs/ensemble").exists()

    found = ensemble("folded", size=3, progress=False)
    assert isinstance(found, Ensemble)
    for each, _ in found.members:
        fold = load_saved(found.folder / each.name / "fold-1")
        inside = np.flatnonzero(each.oof.fold_of == 1)
        assert fold.known.trial == each.number
        texts = load_task_rows(each, inside)
        assert fold.predict(texts).tobytes() == each.oof.raw[0, inside].tobytes()
    facts = json.loads((found.folder / "ensemble.json").read_text())
    parts = [load_saved(found.folder / member["folder"]).predict(TEXTS) for member in facts["members"]]
    whole = load_saved(found.folder)
    expected = mean_of(whole.kind, parts, [member["weight"] for member in facts["members"]])
    np.testing.assert_allclose(whole.predict(TEXTS), expected, rtol=1e-9)

    before = {path: path.stat().st_mtime_ns for path in found.folder.rglob("model.safetensors")}
    (found.folder / "another").mkdir()
    assert search.run(["ensemble", "folded", "--size", "3"]) == 0
    assert {path: path.stat().st_mtime_ns for path in found.folder.rglob("model.safetensors")} == before
    assert_said(
        capsys.readouterr().out, "finished and stay as they are", "no members: another", "predict runs/ensemble FILE"
    )
    print_members(found, Screen.of(True).console)
    assert "alone" in capsys.readouterr().out

    assert clean("folded", yes=True).freed >= 0  # what an ensemble needs stays
    assert load("sqlite:///studies.db", "folded").folder.joinpath("oof-0.safetensors").exists()
    assert clean("folded", yes=True, everything=True).freed > 0
    assert_said(refused(capsys, "ensemble", "folded"), "they were deleted (`search.py clean` with --all or by hand)")


def load_task_rows(each, inside):
    """Rows of the pool of a candidate's study."""
    from finetune.data.load import load_task
    from studies.planning.identity import data_of, folds_of

    about = each.summary.about
    return load_task(data_of(about), None, folds_of(about)).validation.take(inside)
