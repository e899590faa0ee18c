"""``confirm=True``: a search that goes on to its confirmation, and everything that makes no sense to confirm."""

from pathlib import Path

import pytest
from helpers.refusals import refused, rows
from rich.console import Console

import studies.onward
from finetune.errors import UserError
from studies import search, tune
from studies.commands.search import print_search
from studies.planning.confirm_request import ConfirmRequest


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studies.onward, "ConfirmRequest", lambda **given: ConfirmRequest(seeds=1, race=0, parts=0, **given))


def test_each_study_is_confirmed_in_turn_and_the_same_command_runs_nothing_more(capsys):
    Path("films.csv").write_text(rows(60))
    asked = {"method": ("none", "fgm"), "train_file": "films.csv", "trials": 2, "epochs": 1, "study": "s", "confirm": True}
    print_search(asked, Console(width=300))
    said = capsys.readouterr().out
    assert "not confirmed: study 's.none' is clean training itself, so there is nothing to compare it with" in said
    at = [
        said.index(words)
        for words in ("study s.fgm: 2 complete", "verdict 3/3", "one seed shows no", "One seed, and the best")
    ]
    assert at == sorted(at)
    assert "next:" not in said
    print_search(asked, Console(width=300))
    again = capsys.readouterr().out
    assert "verdict 1/3" not in again
    assert "about this configuration on this split" in again


def value(run):
    for epoch in range(run.epochs):
        run.report(0.5 + 0.1 * (type(run.method).__name__ == "FGM"), epoch)


def test_a_loop_of_ones_own_too_and_without_it_a_line_says_how(capsys):
    found = tune(value, "fgm", epochs=1, trials=2, study="own")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "next: confirm(study='own', train=value) (is the gain real? Fresh seeds tell)"
    assert found.verdict is None
    assert found._repr_html_().count("next: confirm(") == 1
    assert tune(value, "fgm", epochs=1, trials=2, study="own", confirm=True, progress=False).verdict.seeds == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--trials", "1"], ["--set", "start_epoch=0"], ["--study", "x"], ["--storage", "sqlite:///x.db"]]
)
def test_clean_training_alone_is_nothing_to_confirm(arguments, capsys):
    said = refused(capsys, "--method", "none", "--confirm", *arguments)
    assert said.startswith("--confirm: --method none is clean training itself, so there is nothing to confirm")


def test_clean_training_alone_is_refused_in_python_and_around_a_loop():
    with pytest.raises(UserError, match=r"confirm=True: method='none' is clean training itself"):
        search("none", confirm=True, progress=False)
    with pytest.raises(UserError, match="choose another method, or search the recipe with tune"):
        tune(value, "none", epochs=1, confirm=True, progress=False)


def test_a_wrong_option_of_the_search_is_refused_before(capsys):
    assert "--trials is 0" in refused(capsys, "--confirm", "--trials", "0")
