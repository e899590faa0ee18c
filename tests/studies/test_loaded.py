"""A study that was loaded leaves no connection open: not when it is dropped, nor when it is refused."""

import gc
import shutil

import optuna
import pytest
import sqlalchemy as sql
from helpers.made_up_studies import made, stored

import search as command
from finetune.errors import UserError
from studies import load
from studies.running.storage import close_storage, close_with, open_storage


@pytest.fixture(scope="module", autouse=True)
def _little_to_look_through():
    """Garbage is looked for in what these tests make, not in all that other tests have left."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database with two studies."""
    found = tmp_path_factory.mktemp("two") / "s.db"
    storage = open_storage(f"sqlite:///{found}")
    for name in ("one", "two"):
        stored(made("CCF", name=name), storage)
    close_storage(storage)
    return found


@pytest.fixture
def url(database, tmp_path):
    """Of a copy of it."""
    return f"sqlite:///{shutil.copy(database, tmp_path)}"


@pytest.fixture
def connections(url):
    """Connections that are open, of those that are made from now on."""
    there = set()

    def opened(connection, record):
        there.add(id(connection))

    def closed(connection, record):
        there.discard(id(connection))

    sql.event.listen(sql.pool.Pool, "connect", opened)
    sql.event.listen(sql.pool.Pool, "close", closed)
    yield there
    sql.event.remove(sql.pool.Pool, "connect", opened)
    sql.event.remove(sql.pool.Pool, "close", closed)


def test_a_result_that_is_dropped_closes_its_database(url, connections):
    result = load(url, "one")
    assert len(result.to_frame()) == 3
    assert connections
    del result
    gc.collect()
    assert not connections


def test_a_study_that_is_kept_goes_on_without_its_result(url, connections):
    study = load(url, "two").study
    gc.collect()
    assert len(study.trials) == 3
    del study
    gc.collect()
    assert not connections


def test_two_results_of_one_database_do_not_close_each_other_s(url, connections):
    one, other = load(url, "one"), load(url, "one")
    del one
    gc.collect()
    assert [trial.number for trial in other.study.trials] == [0, 1, 2]
    assert connections
    del other
    gc.collect()
    assert not connections


@pytest.mark.parametrize("name", [None, "three", "ONE", "", " one"])
def test_a_study_that_is_not_there_leaves_nothing_open(name, url, connections):
    with pytest.raises(UserError) as refused:
        load(url, name)
    assert "study" in str(refused.value)
    assert not connections  # also while the error and its frames are held


def test_a_study_of_another_program_leaves_nothing_open(tmp_path, connections):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    storage = open_storage(other)
    optuna.create_study(study_name="plain", storage=storage)
    close_storage(storage)
    result = load(other)
    assert repr(result) == "<Result: study 'plain' was not made by this program>"
    del result
    gc.collect()
    assert not connections


@pytest.mark.parametrize("line", ["export --study one", "report --study one --out there", "export --study three"])
def test_commands_leave_nothing_open(line, url, connections, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command.run([*line.split(), "--storage", url])
    gc.collect()
    assert not connections


def test_a_study_can_be_dropped_in_the_middle_of_a_write_to_the_same_database(url):
    storage = open_storage(url)
    study = optuna.load_study(study_name="one", storage=storage)
    close_with(study, storage)
    session = storage.scoped_session()
    session.execute(sql.text("UPDATE studies SET study_name = 'written' WHERE study_name = 'two'"))
    del study
    gc.collect()
    session.commit()
    assert {study.study_name for study in storage.get_all_studies()} == {"one", "written"}
    close_storage(storage)
