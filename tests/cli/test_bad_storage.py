"""Databases that cannot be used, studies that are not there, and studies that are about something else."""

import random
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from helpers.refusals import SMALL, assert_said, dump, refused, rows
from helpers.searched_folders import searched_in

URL = "sqlite:///studies.db"
SEARCH = ("--method", "fgm", "--train-file", "rows.csv", *SMALL)
COMMANDS = {"search": SEARCH, "report": ("report",), "export": ("export",), "dashboard": ("dashboard",)}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The database of a finished search."""
    return searched_in(tmp_path_factory, *SEARCH) / "studies.db"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows())


@pytest.fixture
def study(searched):
    """A copy of that database in the working folder."""
    return shutil.copy(searched, "studies.db")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("studies.db", ["--storage 'studies.db' is not a URL", "sqlite:///studies.db"]),
        ("sqlite:/studies.db", ["is not a URL", "sqlite:///studies.db"]),
        ("://", ["is not a URL"]),
        ("mysqlx://host/name", ["unknown kind of database 'mysqlx'", "did you mean 'mysql'?"]),
        ("postgres://host/name", ["unknown kind of database 'postgres'", "did you mean 'postgresql'?"]),
        ("postgresql+psycopgg://host/name", ["unknown driver 'psycopgg'; write postgresql+psycopg://..."]),
        ("sqlite+sqlcipherr:///s.db", ["unknown driver 'sqlcipherr'; write sqlite://..."]),
        ("redis://host", ["unknown kind of database 'redis'", "choose from mysql, postgresql, sqlite"]),
        ("sqlite:///none/studies.db", ["there is no folder none"]),
        ("sqlite:///rows.csv/studies.db", ["there is no folder rows.csv"]),
        ("sqlite+pysqlite:///none/studies.db", ["there is no folder none"]),
        ("sqlite:///folder", ["folder is a folder", "name a file in it"]),
        ("sqlite://", ["in memory", "sqlite:///studies.db"]),
        ("sqlite:///:memory:", ["in memory", "sqlite:///studies.db"]),
        ("sqlite:////proc/studies.db", ["cannot be used", "unable to open", "make its folder writable"]),
        ("sqlite:///rows.csv", ["cannot be used", "not a database", "choose another --storage"]),
    ],
)
def test_a_url_that_cannot_be_used(url, words, capsys):
    Path("folder").mkdir()
    assert_said(refused(capsys, *SEARCH, "--storage", url), "--storage", *words)


def test_passwords_are_not_repeated(capsys):
    said = refused(capsys, *SEARCH, "--storage", "unheardof://me:secret@host/name")
    assert_said(said, "unheardof://me:***@host/name", "unknown kind of database 'unheardof'")
    assert "secret" not in said
    said = refused(capsys, *SEARCH, "--storage", "postgresql://me:sec@ret@host:543two/name")
    assert_said(said, "postgresql://me:***@host:543two/name", "is not a URL")
    assert "ret@" not in said


def text_file(content):
    return b"these are words\n" * 200


def noise(content):
    return random.Random(0).randbytes(9000)


def half(content):
    return content[: len(content) // 2]


def without_end(content):
    return content[:-5000]


def scrambled(content):
    return content[:8192] + random.Random(1).randbytes(30000) + content[38192:]


DAMAGED = [("search", damage) for damage in (text_file, noise, half, without_end, scrambled)]


@pytest.mark.parametrize(
    ("command", "damage"), [*DAMAGED, ("report", scrambled), ("export", half), ("dashboard", text_file)]
)
def test_a_damaged_database_is_left_as_it_is(damage, command, study, capsys):
    content = damage(Path(study).read_bytes())
    Path(study).write_bytes(content)
    said = refused(capsys, *COMMANDS[command])
    assert_said(said, f"--storage {URL} cannot be used", "database", "choose another --storage")
    assert Path(study).read_bytes() == content


def test_a_database_of_a_newer_optuna(study, capsys):
    with closing(sqlite3.connect(study)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0'")
        connection.commit()
    assert_said(refused(capsys, *SEARCH), f"--storage {URL} cannot be used", "no longer compatible")


@pytest.mark.parametrize("command", ["report", "export", "dashboard"])
def test_a_database_that_is_not_there_is_not_made(command, capsys):
    assert_said(refused(capsys, command), f"--storage {URL}", "no such database", "a search creates it")
    assert not Path("studies.db").exists()


@pytest.mark.parametrize("command", ["report", "export"])
def test_which_study(command, study, capsys):
    said = refused(capsys, command, "--study", "rows-fmg")
    assert_said(said, "no study 'rows-fmg'", URL, "did you mean 'rows-fgm'?")
    optuna.create_study(storage=URL, study_name="rows-pgd")
    assert_said(refused(capsys, command), "--study is needed", "rows-fgm, rows-pgd")
    assert_said(refused(capsys, command, "--study", "zzz"), "no study 'zzz'", "choose from rows-fgm, rows-pgd")
    for number in range(20):
        optuna.create_study(storage=URL, study_name=f"more-{number:02}")
    assert_said(refused(capsys, command), "--study is needed", "more-00, more-01", "...")


@pytest.mark.parametrize("command", ["report", "export"])
def test_no_study_yet(command, capsys):
    Path("studies.db").touch()
    assert_said(refused(capsys, command), f"--storage {URL} has no studies yet")


@pytest.mark.parametrize("command", ["search", "report", "export"])
@pytest.mark.parametrize(("direction", "trials"), [("minimize", 0), ("maximize", 2), ("minimize", 2)])
def test_a_study_that_plain_optuna_made_is_left_alone(command, direction, trials, capsys):
    plain = optuna.create_study(storage=URL, study_name="rows-fgm", direction=direction)
    plain.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    before = dump()
    assert_said(refused(capsys, *COMMANDS[command]), "study 'rows-fgm' was not made by this program")
    assert dump() == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--range", "epsilon=0.1:0.2"], ["space.epsilon", "there '0.05:5:log'", "here '0.1:0.2'"]),
        (["--set", "epsilon=1"], ["fixed.epsilon", "there None", "here 1.0"]),
        (["--tune", "warmup"], ["space.warmup", "there None", "here '0:0.3'"]),
        (["--epochs", "2"], ["recipe.epochs", "there 1", "here 2"]),
        (["--learning-rate", "0.001"], ["recipe.learning_rate", "there 0.004", "here 0.001"]),
        (["--metric", "mcc"], ["metric: there 'accuracy'", "here 'mcc'"]),
        (["--metric", "log_loss"], ["direction", "there 'maximize'", "here 'minimize'"]),
        (["--seed", "1"], ["recipe.seed", "there 0", "here 1"]),
        (["--sampler", "random"], ["search.sampler", "there 'tpe'", "here 'random'"]),
        (["--pruner", "none"], ["search.pruner", "there 'median'", "here 'none'"]),
        (["--explore", "2"], ["search.explore", "there 1", "here 2"]),
        (["--max-train-rows", "20"], ["data.max_train_rows", "there 40", "here 20"]),
        (["--task", "reviews"], ["data.task", "there None", "here 'reviews'"]),
        (["--method", "pgd"], ["method", "there 'fgm'", "here 'pgd'", "space.K"]),
    ],
)
def test_a_study_is_not_taken_up_as_something_else(changed, words, study, searched, capsys):
    shutil.copy(searched.parent / "rows.csv", "rows.csv")
    shown = ["--train-file", str(searched.parent / "rows.csv")] if "--task" not in changed else []
    before = dump()
    said = refused(capsys, "--study", "rows-fgm", "--method", "fgm", *shown, *SMALL, "--trials", "3", *changed)
    assert_said(said, "study 'rows-fgm' is about something else", "Choose another --study name", *words)
    assert dump() == before


def test_a_study_is_not_taken_up_when_a_row_has_changed(study, searched, capsys):
    changed = searched.parent / "rows.csv"
    original = changed.read_text()
    changed.write_text(original.replace("film number 7,", "film number seven,"))
    try:
        said = refused(capsys, "--method", "fgm", "--train-file", str(changed), *SMALL, "--trials", "3")
    finally:
        changed.write_text(original)
    assert_said(said, "is about something else", "data fingerprint")


def test_ports_of_the_dashboard(study, capsys):
    for port in ("0", "-1", "65536"):
        assert_said(refused(capsys, "dashboard", "--port", port), f"--port is {port}", "from 1 to 65535")
    assert_said(refused(capsys, "dashboard", "--port", "web"), "--port is 'web'", "integer")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(capsys, "dashboard", "--port", str(port))
    assert_said(said, f"--port {port} on 127.0.0.1", "in use", "choose another")
