"""A database server that is restarted, or breaks a connection, while trials run."""

import time
from contextlib import ExitStack
from types import SimpleNamespace

import optuna
import pytest
import sqlalchemy
from helpers.databases import sqlite_alone
from helpers.worker_processes import begin, found, kill, opened, storage_of, value

from finetune.errors import UserError
from studies import tune
from studies.running import patience
from studies.running.claims import LEASE, Claims
from studies.running.leases import LEASES
from studies.running.loop import run_trials
from studies.running.patience import Outages, opened_patiently
from studies.running.workers.shared import run_shared

on_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


def all_at_work(url):
    """Whether each of eight processes has a trial."""
    with storage_of(url).engine.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table(LEASES.name):
            return False
        return len(set(connection.scalars(sqlalchemy.select(LEASES.c.owner)))) == 8


@on_postgresql
def test_two_machines_with_a_killed_process_and_a_restart_of_the_server_make_one_search(url, postgresql, tmp_path, alone):
    gate = tmp_path / "go"
    machines = [f"machine-{number % 2}" for number in range(8)]
    processes = [begin(url, tmp_path / name, trials=10, pause=0.0, host=name, gate=gate) for name in machines]
    while not all_at_work(url):
        time.sleep(0.05)
    kill(processes[3])
    with postgresql.away():
        gate.touch()
        time.sleep(0.5)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, -9, 0, 0, 0, 0]
    assert found(url) == alone[:10]
    logs = [log.read_text() for log in tmp_path.glob("machine-*/log-*")]
    assert sum("the database is away (" in log and "the database is back" in log for log in logs) >= 7


@on_postgresql
def test_a_server_that_goes_during_clean_training_is_waited_for(url, postgresql, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = []

    def train(run):
        runs.append(run)
        if len(runs) == 1:
            away.enter_context(postgresql.away())
        run.report(0.5, 0)

    with ExitStack() as away:  # it comes back as soon as it is waited for
        waits = SimpleNamespace(sleep=lambda seconds: away.close(), monotonic=time.monotonic)
        monkeypatch.setattr(patience, "time", waits)
        result = tune(train, "fgm", epochs=1, trials=1, storage=url)
    assert [trial.value for trial in result.study.trials] == [0.5]
    result.study._storage._backend.engine.dispose()  # garbage may keep the result, and its connection, for a while
    said = capsys.readouterr().out
    assert "the database is away (connection " in said
    assert said.index("the database is back") < said.index("trial   0")


@on_postgresql
def test_a_process_keeps_one_connection(url):
    import psycopg

    study, storage, options = opened(url, 2)
    run_trials(study, storage, value, options)
    with psycopg.connect(host=sqlalchemy.make_url(url).query["host"], user="postgres") as other:
        others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        end = time.monotonic() + 10  # the server ends those that were closed before a moment later
        while other.execute(others).fetchone() != (1,) and time.monotonic() < end:
            time.sleep(0.01)
        assert other.execute(others).fetchone() == (1,)


def broken_at(url, statement, times=1):
    """Let the server end the connection that begins such a statement."""
    import psycopg

    left, place = [None] * times, sqlalchemy.make_url(url)

    def cut(connection, cursor, text, *_):
        if left and statement in text:
            left.pop()
            with psycopg.connect(host=place.query["host"], user="postgres", autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [cursor.connection.info.backend_pid])

    sqlalchemy.event.listen(storage_of(url).engine, "before_cursor_execute", cut)
    return left


@on_postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO trials",
        "INSERT INTO advsearch_leases",
        "INSERT INTO trial_intermediate_values",
        "INSERT INTO trial_values",
        "SELECT trial_intermediate_values",
        "DELETE FROM advsearch_leases",
    ],
)
def test_a_connection_that_breaks_in_the_middle_of_a_change_changes_nothing(url, statement, alone):
    study, storage, options = opened(url, 4)
    left, lines = broken_at(url, statement, times=2), []
    run_trials(study, storage, value, options, say=lines.append)
    assert left == []
    assert found(url) == alone[:4]
    assert lines == ["the connection to the database broke in the middle of a change: going on from what it has"] * 2


@sqlite_alone
@pytest.mark.parametrize("done", ["tell", "take"])
def test_a_change_of_which_the_database_could_not_tell_that_it_was_done(done, url, monkeypatch, alone):
    study, storage, options = opened(url, 4)
    place, cut, lines = (study, "tell") if done == "tell" else (Claims, "take"), [None], []
    whole = getattr(*place)

    def unheard(*arguments, **named):
        result = whole(*arguments, **named)
        if cut and len(study.get_trials()) == 3:
            cut.pop()
            reason = sqlalchemy.exc.OperationalError("COMMIT", {}, Exception("gone"), connection_invalidated=True)
            raise optuna.exceptions.StorageInternalError("in a commit") from reason
        return result

    monkeypatch.setattr(*place, unheard)
    run_trials(study, storage, value, options, say=lines.append)
    assert (found(url), len(lines)) == (alone[:4], 1)


@sqlite_alone
@pytest.mark.parametrize("asked", ["get_trial", "_get_trials"])
def test_who_watches_workers_reads_again_what_a_broken_connection_did_not_give(asked, url, monkeypatch):
    class Crew:
        def run(self, task):
            for trial in study.trials:
                yield "finished", trial._trial_id

        def close(self):
            raise AssertionError

    study, storage, options = opened(url, 2)
    run_trials(study, storage, value, options)
    whole, left, lines, told = getattr(storage, asked), [None], [], []

    def unheard(*arguments, **named):
        if told and left:
            left.pop()
            reason = sqlalchemy.exc.OperationalError("SELECT", {}, Exception("gone"), connection_invalidated=True)
            raise optuna.exceptions.StorageInternalError("reading") from reason
        return whole(*arguments, **named)

    monkeypatch.setattr(storage, asked, unheard)
    run_shared(Crew(), None, study, storage, lambda trial: told.append(trial.number), None, lines.append)
    assert (told, left, len(lines)) == ([0, 1], [], 1)


@sqlite_alone
def test_another_error_of_the_database_still_ends_the_search(url):
    study, storage, options = opened(url, 2)

    def drop(trial):
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE trial_params RENAME TO away")
        return value(trial)

    with pytest.raises(Exception, match="no such table: trial_params"):
        run_trials(study, storage, drop, options)


class Server:
    """A dialect whose server comes back after some attempts."""

    class loaded_dbapi:
        Error = ConnectionError

    def __init__(self, attempts):
        self.attempts = attempts

    def connect(self, *words, **options):
        self.attempts -= 1
        if self.attempts >= 0:
            raise ConnectionError("connection refused\nis the server running?")
        return "connection"


def outages(**options):
    lines = []
    return Outages(sqlalchemy.create_engine("sqlite://"), lines.append, **options), lines


def test_a_server_is_waited_for_with_one_line_at_each_end(monkeypatch):
    monkeypatch.setattr(patience, "AGAIN", 0.0)
    made, lines = outages()
    for attempts in (3, 0, 2):
        assert made.connect(Server(attempts), None, (), {}) == "connection"
    away = "the database is away (connection refused); waiting until it is back"
    assert lines == [away, "the database is back"] * 2


def test_a_server_that_stays_away_ends_the_search(monkeypatch):
    made, lines = outages(patience=-1.0)
    with pytest.raises(ConnectionError, match="connection refused"):
        made.connect(Server(5), None, (), {})
    assert len(lines) == 0


@on_postgresql
def test_who_stops_a_search_does_not_wait_for_the_server(url, postgresql):
    study, storage, options = opened(url, 3)

    def stop(trial):
        if trial.number == 1:
            stack.enter_context(postgresql.away())
            raise KeyboardInterrupt
        return value(trial)

    with ExitStack() as stack, pytest.raises(KeyboardInterrupt):
        run_trials(study, storage, stop, options)
    assert [state for _, state, *_ in found(url)] == ["COMPLETE", "RUNNING"]
    run_trials(study, storage, value, options, say=lambda line: None)  # it is in this process, whose search is over
    assert [state for _, state, *_ in found(url)] == ["COMPLETE"] * 3


@on_postgresql
def test_a_worker_that_starts_while_its_server_is_away_waits(url, postgresql, monkeypatch):
    lines, gone = [], ExitStack()
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: gone.close())  # then it is back
    gone.enter_context(postgresql.away())
    storage = opened_patiently(url, lines.append)
    storage.engine.dispose()
    assert len(lines) == 1
    assert lines[0].startswith("the database is away (")


@pytest.mark.parametrize("url", ["sqlite:////proc/studies.db", "postgresql+psycopg://nobody@/none?host=/nowhere"])
def test_what_cannot_be_opened_is_an_error_at_last(url):
    with pytest.raises(UserError, match="cannot be used"):
        opened_patiently(url, None, patience=-1.0)


@sqlite_alone
def test_after_an_outage_the_silence_of_others_says_nothing_for_a_while(url, monkeypatch):
    study, storage, _ = opened(url, 99)
    mine, other = Claims(study, storage, lambda line: None, lease=0), Claims(study, storage, lambda line: None)
    other.take(99)
    time.sleep(1.1)  # the database counts seconds
    mine.lease = mine.lease.__class__(seconds=0.5)
    mine.outages.last = time.monotonic()
    assert mine.take(1) is None
    mine.outages.last -= 0.5
    assert mine.take(1).number == 0


def test_patience_is_longer_than_a_lease():
    assert patience.PATIENCE > LEASE
