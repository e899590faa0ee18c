"""What each command prints, called below the command line, on one small study."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from finetune.errors import UserError
from studies.checking.look import Checked
from studies.commands.check import print_check, registered
from studies.commands.dashboard import serve
from studies.commands.export import print_export
from studies.commands.method import print_method
from studies.commands.methods import print_methods, setting_rows
from studies.commands.misspelt import method_like
from studies.commands.report import print_report
from studies.commands.search import print_search
from studies.commands.studies import print_deletion, print_studies
from studies.commands.train import print_training
from studies.door import checked_step
from studies.report.screen import Screen

URL = "sqlite:///studies.db"
SMALL = {"method": "fgm", "trials": 2, "epochs": 1, "max_train_rows": 40, "max_validation_rows": 60, "calibrate": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("printed")


@pytest.fixture(scope="module")
def searched(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return said(print_search, SMALL)


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def said(command, *arguments):
    """What a command prints on a wide console."""
    text = io.StringIO()
    command(*arguments, Console(file=text, width=200))
    return text.getvalue()


def test_a_search_ends_with_its_summary_and_its_files(searched):
    assert "clean baseline, epoch 1: accuracy" in searched
    assert searched.index("study reviews-fgm: 2 complete") < searched.index("written: runs/reviews-fgm/report.html")
    assert "train the best: python search.py train runs/reviews-fgm/best.yaml" in searched
    last = searched.splitlines()[-1]
    assert last.startswith("next: python search.py confirm --study reviews-fgm (") == ("clean +" in searched)


def test_a_report_is_written_again(searched):
    Path("runs/reviews-fgm/report.html").unlink()
    assert "written: runs/reviews-fgm/report.html" in said(print_report, URL, None, "runs")
    assert Path("runs/reviews-fgm/report.html").stat().st_size > 10_000


def test_an_export_goes_to_standard_output_or_a_file(searched, capsys):
    print_export(URL, None, "json", None)
    assert json.loads(capsys.readouterr().out)["method"] == "fgm"
    print_export(URL, "reviews-fgm", "yaml", "other.yaml")
    assert "method: fgm" in Path("other.yaml").read_text()
    with pytest.raises(UserError, match="unknown format 'yml'"):
        print_export(URL, None, "yml", None)


def test_training_again_says_the_value_and_where_the_model_is(searched):
    text = said(print_training, "runs/reviews-fgm/best.yaml", {}, Path("model"))
    assert "fgm, epoch 1: accuracy" in text
    assert ": the same" in text
    assert text.endswith("model: model\n")


def test_a_check_prints_what_was_touched_and_its_verdict():
    checked = checked_step({"method": "fgm", "max_train_rows": 40}, Screen(None))
    assert isinstance(checked, Checked)
    text = said(lambda console: print_check(console, checked))
    assert text.startswith("fgm (Miyato et al. 2017): ")
    assert "output of model.embeddings.tok_embeddings" in text
    assert text.endswith("ok: the attack acts\n")
    assert registered(checked.method) == "fgm"


def test_studies_are_listed_and_deleted(searched, tmp_path, monkeypatch):
    assert "reviews-fgm" in said(print_studies, URL, "runs")
    monkeypatch.chdir(tmp_path)
    said(print_search, SMALL)
    with pytest.raises(UserError, match="this would delete study reviews-fgm with 2 trials"):
        print_deletion(URL, "reviews-fgm", "runs", False, Console(file=io.StringIO()))
    assert print_deletion(URL, "reviews-fgm", "runs", True, Console(file=io.StringIO()))
    assert "reviews-fgm" not in said(print_studies, URL, "runs")


def test_methods_and_one_of_them():
    assert all(name in said(print_methods) for name in ("fgm", "awp"))
    assert "epsilon" in said(print_method, "fgm")
    assert "epsilon" in {row[0] for row in setting_rows("fgm")}
    with pytest.raises(UserError, match="unknown method 'fgmm'"):
        said(print_method, "fgmm")


@pytest.mark.parametrize(
    ("word", "name"), [("awp", "awp"), ("FreeLB", "freelb"), ("random-weights", "random_weights"), ("xyz", None)]
)
def test_a_word_that_is_a_method(word, name):
    assert method_like(word) == name


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_cannot_be_is_refused(searched, port):
    with pytest.raises(UserError, match=f"port is {port}; choose one from 1 to 65535"):
        said(serve, URL, port)
