import os
import socket
import time
from dataclasses import replace
from datetime import timedelta

import optuna
import pytest
import sqlalchemy
from filelock import FileLock
from helpers.databases import crossed, sqlite_alone
from helpers.worker_processes import OPENED, found, opened, storage_of, value

from studies.running import loop as search
from studies.running.claims import BEAT, LEASE, Claims, Lost
from studies.running.leases import LEASES
from studies.running.loop import run_trials, trials_of
from studies.running.place import Place

ELSEWHERE = Place("another-machine", "another-kernel", 1, 1)
HERE = Place.here()


def claims(url, place=None, **options):
    """Another process's claims on the study, as far as the database can tell."""
    study, storage, _ = opened(url, 99)
    made = Claims(study, storage, lambda line: None, **options)
    if place is not None:
        made.leases.place = str(place)
    return made


def states(url):
    return [state for _, state, *_ in found(url)]


def let_pass(url, seconds):
    """Leases as they will be after a while without a sign of life."""
    engine = storage_of(url).engine
    with engine.begin() as connection:
        now = connection.scalar(sqlalchemy.select(sqlalchemy.func.now()))
        for row in connection.execute(sqlalchemy.select(LEASES)).all():
            older = {"beat": row.beat - timedelta(seconds=seconds)}
            assert row.beat <= now
            connection.execute(sqlalchemy.update(LEASES).where(LEASES.c.trial_id == row.trial_id).values(older))


def test_a_trial_of_a_living_process_elsewhere_is_left_alone_and_counts(url):
    claims(url, ELSEWHERE).take(99)
    let_pass(url, LEASE - 5)
    assert claims(url).take(1) is None
    assert claims(url).take(2).number == 1
    assert states(url) == ["RUNNING", "RUNNING"]


def test_a_trial_without_a_sign_of_life_is_taken_over_with_its_number_and_settings(url):
    first = claims(url, ELSEWHERE).take(99)
    drawn = first.suggest_float("x", 0, 1)
    let_pass(url, LEASE + 2)
    taken = claims(url).take(1)
    assert (taken.number, taken.params) == (0, {"x": drawn})


@crossed(
    ("place",),
    {
        "no such process": (replace(HERE, pid=2**22 + 1),),
        "the id was used again": (replace(HERE, started=HERE.started + 1),),
    },
)
def test_a_trial_of_a_process_that_ended_here_is_taken_up_at_once(url, place):
    claims(url, place).take(99)
    assert claims(url).take(1).number == 0


@crossed(
    ("place",),
    {
        "another machine": (ELSEWHERE,),
        "a container of the same host name": (replace(HERE, kernel="boot/pid:[1]", pid=2**22 + 1),),
        "another host name": (replace(HERE, host="other", pid=2**22 + 1),),
        "a system without /proc": (replace(HERE, kernel="", pid=2**22 + 1),),
        "a living process of this machine": (HERE,),
    },
)
def test_ids_of_other_machines_and_containers_say_nothing(url, place):
    claims(url, place).take(99)
    assert claims(url).take(1) is None
    let_pass(url, LEASE + 2)
    assert claims(url).take(1).number == 0


def test_a_renewed_lease_is_kept_by_its_owner(url):
    mine = claims(url, ELSEWHERE)
    trial = mine.take(99)
    let_pass(url, LEASE + 2)
    mine.leases.renew()
    assert claims(url).take(1) is None
    let_pass(url, LEASE + 2)
    trial.report(0.5, 0)  # as every report does
    assert claims(url).take(1) is None


def test_a_thread_renews_while_a_trial_trains_and_outlives_a_broken_database(url):
    mine = claims(url, beat=0.05)
    engine = mine.storage.engine

    def rename(old, new):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    def beats():
        with engine.connect() as connection:
            return connection.scalar(sqlalchemy.select(LEASES.c.beats))

    with mine.held():
        mine.take(1)
        while beats() < 2:
            time.sleep(0.02)
        rename(LEASES.name, "away")
        time.sleep(0.2)
        rename("away", LEASES.name)
        before = beats()
        while beats() < before + 2:
            time.sleep(0.02)
    assert states(url) == ["WAITING"]


def test_who_lost_a_trial_writes_nothing_more_into_it(url):
    lost, taking = claims(url, ELSEWHERE), claims(url)
    trial = lost.take(99)
    trial.report(0.25, 0)
    let_pass(url, LEASE + 2)
    taken = taking.take(1)
    with pytest.raises(Lost, match=f"process {os.getpid()} of {socket.gethostname()} has taken it over"):
        trial.report(0.75, 1)
    trial.set_user_attr("seconds", 1.0)
    with pytest.raises(Lost):
        lost.finish(trial, 0.75)
    with lost.held():
        pass  # it does not put back what it no longer has
    taken.report(0.5, 1)
    taking.finish(taken, 0.5)
    (_, state, _, result, reports), *_ = found(url)
    assert (state, result, reports) == ("COMPLETE", 0.5, {0: 0.25, 1: 0.5})
    assert taking.study.trials[0].user_attrs == {}


def test_a_trial_of_another_program_is_watched_first_and_then_taken(url):
    study, _, _ = opened(url, 99)
    plain = study.ask()
    assert claims(url).take(1) is None
    let_pass(url, LEASE - 5)
    assert claims(url).take(1) is None
    let_pass(url, LEASE)
    assert claims(url).take(1).number == plain.number


@crossed(
    ("host", "lock", "taken"),
    {
        "free": (None, "free", True),
        "held": (None, "held", False),
        "gone": (None, "gone", True),
        "of another folder": (None, "of another folder", False),
        "of another machine": ("another-machine", "gone", False),
    },
)
def test_trials_of_versions_with_lock_files(url, tmp_path, host, lock, taken):
    study, _, _ = opened(url, 99)
    path = tmp_path / "locks" / "1"
    path.parent.mkdir()
    held = FileLock(path)
    if lock == "held":
        held.acquire()
    elif lock == "free":
        path.touch()
    trial = study.ask()
    trial.set_user_attr("owner", [host or socket.gethostname(), "locks/1" if lock == "of another folder" else str(path)])
    assert (claims(url).take(1) is not None) == taken
    if not taken:
        let_pass(url, LEASE + 2)
        assert (claims(url).take(1) is not None) == (lock != "held")
    held.release()


@sqlite_alone
def test_the_trial_of_a_silent_process_elsewhere_is_waited_for(url, monkeypatch):
    monkeypatch.setattr(search, "LOOK_AGAIN", 0.05)
    claims(url, ELSEWHERE).take(99)
    mine = claims(url, lease=1)
    lines = []
    mine.say = lines.append
    numbers = []
    for trial in trials_of(mine, 2, float("inf")):
        numbers.append(trial.number)
        mine.finish(trial, 0.5)
    assert numbers == [1, 0]
    assert "waiting up to 1 s to see whether those elsewhere still run" in lines[0]
    assert "trial 0 is free again: process 1 of another-machine has given no sign of life" in lines[1]


def test_nobody_waits_for_a_process_that_is_seen_to_live(url, monkeypatch):
    def look(seconds):
        other.leases.renew()  # its thread

    monkeypatch.setattr(search.time, "sleep", look)
    other = claims(url, ELSEWHERE)
    other.take(99)
    assert list(trials_of(claims(url), 1, float("inf"))) == []
    assert states(url) == ["RUNNING"]


def test_leases_end_with_their_trials_and_plain_optuna_sees_nothing_of_them(url):
    study, storage, options = opened(url, 3)
    run_trials(study, storage, value, options)
    with storage.engine.connect() as connection:
        assert connection.execute(sqlalchemy.select(LEASES)).all() == []
    plain = optuna.load_study(study_name="s", storage=optuna.storages.RDBStorage(url))
    OPENED["plain"] = plain._storage._backend
    plain.optimize(lambda trial: 0.5, n_trials=1)
    assert states(url) == ["COMPLETE"] * 4


def test_a_sign_of_life_can_be_missed_five_times():
    assert LEASE >= 6 * BEAT


def test_a_trial_that_a_search_in_this_process_could_not_put_back_is_free_at_once(url):
    first = claims(url, HERE)
    with first.held():
        trial = first.take(99)
        first.leases.withdraw_mine = lambda: None  # as where the disk is full
    assert claims(url).take(1).number == trial.number


def test_who_needs_all_trials_waits_for_those_of_other_processes(url, monkeypatch):
    monkeypatch.setattr(search, "LOOK_AGAIN", 0.01)
    other = claims(url)
    trial = other.take(99)
    trial.suggest_float("x", 0, 1)
    waiting, lines = claims(url), []

    def say(line):
        lines.append(line)
        other.finish(trial, 0.5)

    assert list(trials_of(waiting, 1, time.monotonic() + 60)) == []  # a living process has it
    waiting.say = say
    assert list(trials_of(waiting, 1, time.monotonic() + 60, whole=True)) == []
    assert (lines, states(url)) == (["no trial is left to begin; waiting for 1 trial of other processes"], ["COMPLETE"])
