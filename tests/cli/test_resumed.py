"""A study that is gone on with: defaults of another machine, other versions, and what is refused before data and model."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import yaml
from helpers.places import ROOT
from helpers.refusals import SMALL, assert_said, dump, refused
from helpers.searched_folders import searched_in

import search
from studies.planning.versions import versions

URL = "sqlite:///studies.db"
SEARCH = ("--method", "fgm", "--train-file", "rows.csv", *SMALL)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a study of two trials on two threads."""
    return searched_in(tmp_path_factory, *SEARCH, "--threads", "2")


@pytest.fixture
def here(begun, monkeypatch):
    """That folder as it was, as the working folder: the study knows its file by the whole path."""
    monkeypatch.chdir(begun)
    kept = {name: Path(name).read_bytes() for name in ("studies.db", "rows.csv")}
    yield begun
    for left in Path().glob("studies.db*"):
        left.unlink()
    for name, content in kept.items():
        Path(name).write_bytes(content)


def study():
    return optuna.load_study(study_name="rows-fgm", storage=URL)


def make_versions(**changed):
    """Let the study have been made under these versions."""
    found = study()
    about = found.user_attrs["identity"]
    with closing(sqlite3.connect("studies.db")) as connection:
        text = json.dumps(about | {"versions": about["versions"] | changed})
        connection.execute("UPDATE study_user_attributes SET value_json = ? WHERE key = 'identity'", [text])
        connection.commit()
    return study().user_attrs["identity"]


def test_a_default_that_was_taken_is_the_studys(here, capsys):
    assert search.run([*SEARCH, "--trials", "3"]) == 0
    said = capsys.readouterr().out
    assert "rows-fgm was started with --threads 2 and keeps it (the default here is 1" in said
    assert len(study().trials) == 3
    assert study().user_attrs["identity"]["recipe"]["threads"] == 2


def test_another_number_that_is_asked_for_is_refused(here, capsys):
    assert_said(refused(capsys, *SEARCH, "--threads", "3"), "recipe.threads: there 2, here 3")


def test_more_threads_than_cores_are_said(here, capsys, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert search.run(list(SEARCH)) == 0
    assert "--threads 2: this process may use 1 core," in capsys.readouterr().out


def test_another_minor_version_is_refused_before_data_is_read(here, capsys):
    make_versions(torch="1.0.0")
    Path("rows.csv").write_bytes(b"\xff\xfe\x00broken")
    said = refused(capsys, *SEARCH, "--trials", "3")
    assert_said(said, "study 'rows-fgm' was made under other versions", "torch 1.0.0 then", "--accept-versions")


def test_accepted_versions_are_kept_with_the_study_and_its_trials(here, capsys):
    about = make_versions(torch="1.0.0")
    assert search.run([*SEARCH, "--trials", "4", "--accept-versions"]) == 0
    assert f"torch 1.0.0 then, {versions()['torch']} now (accepted by --accept-versions)" in capsys.readouterr().out
    found = study()
    assert found.user_attrs["identity"] == about
    assert found.user_attrs["accepted versions"] == [versions()]
    assert ["versions" in trial.user_attrs for trial in found.trials] == [False, False, True, True]
    assert found.trials[3].user_attrs["versions"] == versions()
    best = yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())["recorded"]
    assert best["versions"] == (about["versions"] if best["trial"] < 2 else versions())


def test_a_patch_goes_on_with_a_line(here, capsys):
    patched = ".".join([*versions()["optuna"].split(".")[:2], "99"])
    make_versions(optuna=patched)
    assert search.run([*SEARCH, "--trials", "3"]) == 0
    assert f"optuna {patched} then, {versions()['optuna']} now (a patch, so it goes on)" in capsys.readouterr().out
    assert study().user_attrs["identity"]["versions"]["optuna"] == patched
    assert study().trials[2].user_attrs["versions"] == versions()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--seed", "1"], ["recipe.seed: there 0, here 1"]),
        (["--set", "epsilon=1"], ["fixed.epsilon"]),
        (["--text-column", "txt"], ["data.text_column"]),
        (["--metric", "mcc"], ["metric: there 'accuracy', here 'mcc'"]),
        (["--model", "bert-base-uncased"], ["recipe.model"]),
    ],
)
def test_another_study_is_refused_before_data_and_model_are_read(changed, words, here, capsys):
    Path("rows.csv").write_bytes(b"\xff\xfe\x00broken")
    before = dump()
    said = refused(capsys, *SEARCH, "--threads", "2", *changed)
    assert_said(said, "study 'rows-fgm' is about something else", *words)
    assert dump() == before


WRONG = [
    ["--metric", "acuracy"],
    ["--train-file", "nowhere.csv"],
    ["--train-file", "rows.csv", "--test-file", "nowhere.csv"],
    ["--data", "./nowhere"],
    ["--model", "./nowhere"],
    ["--storage", "sqlite:///nowhere/studies.db"],
    ["--sampler", "tpee"],
    ["check", "--model", "./nowhere"],
    ["check", "--metric", "acuracy"],
]


def test_what_options_and_names_of_files_tell_needs_no_torch(here):
    """All in one process; what one line imports is there for the lines after it, so the first is named."""
    code = f"""
import sys, search
for line in {WRONG!r}:
    print("line", *line, file=sys.stderr)
    code = search.run(line)
    heavy = {{"torch", "transformers", "datasets", "sklearn", "scipy", "plotly"}} & sys.modules.keys()
    if heavy or code != 2:
        sys.exit(f"{{line}}: code {{code}}, imported {{sorted(heavy)}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    said = done.stderr.split("line ")[1:]
    assert [part.split("\n")[0] for part in said] == [" ".join(line) for line in WRONG]
    assert [part for part in said if not part.split("\n")[1].startswith("error: ")] == []


def test_a_copy_of_the_folder_is_another_data_file(here, tmp_path, capsys, monkeypatch):
    shutil.copy("studies.db", tmp_path)
    shutil.copy("rows.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert_said(refused(capsys, *SEARCH), "data.train_file", str(here))
