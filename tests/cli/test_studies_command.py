"""The command that lists studies, and deletes one."""

import shutil
import sys
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from helpers.made_up_studies import made, stored
from helpers.refusals import assert_said, files, refused, studies
from rich.console import Console

import search
from studies.commands.clean import print_cleaning
from studies.running.storage import close_storage, open_storage

URL = "sqlite:///studies.db"


@pytest.fixture(scope="module")
def two_studies(tmp_path_factory):
    """A folder with a database of two studies, and the report of each."""
    there = tmp_path_factory.mktemp("two")
    storage = open_storage(f"sqlite:///{there}/studies.db")
    for name in ("one", "two"):
        stored(made("CCPF", name=name), storage)
        folder = there / "runs" / name
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("x" * 1000)
    close_storage(storage)
    return there


@pytest.fixture(autouse=True)
def _here(two_studies, tmp_path, monkeypatch):
    shutil.copytree(two_studies, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


class Keys(StringIO):
    """What somebody types at a terminal."""

    def isatty(self):
        return True


def test_a_table_of_studies(capsys):
    assert search.run(["studies"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["study", "method", "trials", "metric", "best", "clean", "disk", "last", "change"]
    assert lines[2][:2] == ["one", "awp"]
    assert " ".join(lines[2]).startswith("one awp 4 finished (2 complete, 1 pruned, 1 failed) accuracy 0.")
    assert " ".join(lines[3]).endswith("0.8125 1.0 kB 2030-01-01 09:00")


def test_a_terminal_that_knows_few_letters_shows_all_names_and_exports_are_unchanged(monkeypatch):
    storage = open_storage(URL)
    stored(made("CC", name="été 漢"), storage)
    close_storage(storage)
    said = {}
    for encoding in ("ascii", "utf-8"):
        for command in (["studies"], ["export", "--study", "été 漢", "--format", "cfg"]):
            monkeypatch.setattr("sys.stdout", TextIOWrapper(BytesIO(), encoding=encoding))
            assert search.run(command) == 0
            sys.stdout.flush()
            said[encoding, command[0]] = sys.stdout.buffer.getvalue().decode()
    assert "\\xe9t\\xe9 \\u6f22" in said["ascii", "studies"]
    assert "été 漢" in said["utf-8", "studies"]
    assert "été 漢" in said["ascii", "export"] == said["utf-8", "export"]


def test_one_is_deleted_with_its_files_and_no_question(capsys):
    Path("runs/two/trial-4.safetensors").write_text("x" * 2000)
    assert search.run(["studies", "delete", "two", "--yes"]) == 0
    said = capsys.readouterr().out
    assert_said(said, "study two with 4 trials", "2 files in runs/two (3.0 kB)", "deleted: study two")
    assert studies() == ["one"]
    assert sorted(Path("runs").iterdir()) == [Path("runs/one")]
    assert search.run(["studies", "delete", "one", "--yes"]) == 0
    capsys.readouterr()
    assert search.run(["studies"]) == 0
    assert capsys.readouterr().out == f"--storage {URL} has no studies yet; a search creates one\n"


@pytest.mark.parametrize(
    ("typed", "left"), [("y\n", ["one"]), ("YES\n", ["one"]), ("n\n", 2), ("\n", 2), ("", 2), ("yep\n", 2)]
)
def test_a_terminal_is_asked(typed, left, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Keys(typed))
    assert search.run(["studies", "delete", "two"]) == 0
    assert studies() == (["one", "two"] if left == 2 else left)
    assert_said(
        capsys.readouterr().out, "to delete: study two", "delete this? [y/N]", *(["nothing was deleted"] * (left == 2))
    )
    assert Path("runs/two/report.html").exists() == (left == 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["delete", "two"], ["this would delete study two with 4 trials", "1 file in runs/two", "--yes"]),
        (["delete", "tow", "--yes"], ["there is no study 'tow'", "did you mean 'two'?"]),
        (["delete", "--yes"], ["Missing argument"]),
        (["delete", "two", "--yes", "--storage", "sqlite:///nowhere.db"], ["there is no such database"]),
        (["--storage", "sqlite:///nowhere.db", "delete", "two", "--yes"], ["nowhere.db", "there is no such database"]),
        (["--storage", "sqlite:///nowhere.db"], ["there is no such database", "a search creates it"]),
        (["--storage", "studies.db"], ["is not a URL", "sqlite:///studies.db"]),
        (["remove", "two"], ["No such command 'remove'"]),
        (["delete", "two", "--yes", "--force"], ["No such option", "--force"]),
    ],
    ids=" ".join,
)
def test_refusals_delete_nothing(line, words, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))
    before = files()
    assert_said(refused(capsys, "studies", *line), *words)
    assert {name for name in files() if "db-" not in name} == before.keys()
    assert studies() == ["one", "two"]


def test_another_out_folder_and_database(capsys):
    Path("elsewhere/two").mkdir(parents=True)
    Path("elsewhere/two/best.yaml").write_text("x")
    assert search.run(["studies", "delete", "two", "--yes", "--out", "elsewhere"]) == 0
    assert not Path("elsewhere/two").exists()
    assert Path("runs/two/report.html").exists()


def test_clean_shows_and_frees(monkeypatch, capsys):
    """Without a terminal it shows what could go; it asks at a terminal; and ``--all`` takes what was kept."""
    for name in ("one/trial-0.safetensors", "two/models/trial-0/model.safetensors"):
        Path("runs", name).parent.mkdir(parents=True, exist_ok=True)
        Path("runs", name).write_text("x" * 3000)
    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))
    assert search.run(["clean"]) == 0
    said = capsys.readouterr().out
    assert_said(said, "one: states of trials that are finished (1 file or folder, 3.0 kB)\n", "two: kept models")
    assert_said(
        said, "stay without --all: you asked", "3.0 kB can go; 3.0 kB more with --all", "nothing was freed", "--yes frees it"
    )
    monkeypatch.setattr(sys, "stdin", Keys("n\ny\n"))
    print_cleaning(URL, ["one"], "runs", False, False, Console())
    assert_said(capsys.readouterr().out, "free 3.0 kB? [y/N]", "nothing was freed")
    assert search.run(["clean", "one"]) == 0
    assert "freed: 3.0 kB" in capsys.readouterr().out
    assert not Path("runs/one/trial-0.safetensors").exists()
    assert search.run(["clean"]) == 0
    assert "nothing to free; 3.0 kB more with --all" in capsys.readouterr().out
    assert search.run(["studies"]) == 0
    assert "4.0 kB" in capsys.readouterr().out
    assert search.run(["clean", "two", "--all", "--yes"]) == 0
    assert "freed: 3.0 kB" in capsys.readouterr().out
    assert sorted(files()) == ["runs/one/report.html", "runs/two/report.html", "studies.db"]
    assert_said(refused(capsys, "clean", "tow", "--yes"), "there is no study 'tow'", "did you mean 'two'?")
