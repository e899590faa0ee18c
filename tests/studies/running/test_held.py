import math

import optuna
import pytest
import sqlalchemy
from helpers.databases import sqlite_alone
from helpers.worker_processes import OPENED, SPACE, found, opened, storage_of, value
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from studies.running.claims import Claims, Lost
from studies.running.held import held
from studies.running.loop import run_trials
from studies.running.objective import suggest
from studies.running.storage import close_storage, open_storage

REPORTS = [0.1 + 0.2, -0.0, 1e-300, math.inf, -math.inf, math.nan]
ATTRS = {"table": {"a": [1, 2.5, None]}, "ü": "€", "empty": {}, "number": math.inf, "twice": 1}


def taken(url, total=99):
    """A trial of a process of its own."""
    study, storage, _ = opened(url, total)
    claims = Claims(study, storage, lambda line: None)
    return claims, claims.take(total)


def written(url, trial, finish):
    """Write what a trial may have; the trial as the database has it, read by nobody before."""
    trial.suggest_float("x", 0, 1)
    trial.suggest_float("y", 1e-3, 1, log=True)
    for step, number in enumerate(REPORTS):
        trial.report(number, step)
    trial.set_user_attr("twice", 0)
    for key, cell in ATTRS.items():
        trial.set_user_attr(key, cell)
    finish()
    fresh = optuna.load_study(study_name="s", storage=storage_of(url)).trials[trial.number]
    reports = [(step, repr(number)) for step, number in sorted(fresh.intermediate_values.items())]
    attrs = {key: repr(cell) for key, cell in fresh.user_attrs.items()}
    assert fresh.datetime_start <= fresh.datetime_complete
    return fresh.state, fresh.values, fresh.params, fresh.distributions, reports, attrs


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
def test_the_database_has_what_plain_optuna_would_have_written(url, state):
    study, _, _ = opened(url, 99)
    ended = {"values": 0.25} if state is TrialState.COMPLETE else {"state": state}
    settings = {"x": 0.5, "y": 0.001}
    study.enqueue_trial(settings)
    study.enqueue_trial(settings)
    plain = study.ask()
    theirs = written(url, plain, lambda: study.tell(plain, **ended))
    claims, trial = taken(url)
    ours = written(url, trial, lambda: claims.finish(trial, ended.get("values"), ended.get("state")))
    assert held(claims.study) is claims.study._storage
    assert ours == theirs
    assert (ours[0], ours[2]) == (state, settings)


def test_what_another_process_finishes_is_seen_at_once_and_a_trial_that_runs_is_not_read(url):
    claims, trial = taken(url)
    other, theirs = taken(url)
    complete = (TrialState.COMPLETE,)
    assert claims.study.get_trials(states=complete) == []
    theirs.report(0.75, 0)
    [seen] = [one for one in claims.study.get_trials() if one.number == theirs.number]
    assert seen.intermediate_values == {0: 0.75}
    other.finish(theirs, 0.5)
    assert [one.value for one in claims.study.get_trials(states=complete)] == [0.5]
    trial.report(0.25, 0)
    trial.report(0.5, 1)
    mine = [one.intermediate_values for one in claims.study.get_trials(states=(TrialState.RUNNING,))]
    assert mine == [{0: 0.25, 1: 0.5}]
    claims.study.add_trial(optuna.trial.create_trial(value=3.0))
    claims.study.enqueue_trial({"x": 0.125})
    assert [one.state.name for one in claims.study.get_trials()] == ["RUNNING", "COMPLETE", "COMPLETE", "WAITING"]
    claims.finish(trial, 0.5)
    assert [one.value for one in claims.study.get_trials(states=complete)] == [0.5, 0.5, 3.0]


def test_a_trial_that_ends_after_later_ones_is_seen(url):
    (slow, first), (fast, second), (claims, _) = taken(url), taken(url), taken(url)
    complete = (TrialState.COMPLETE,)
    fast.finish(second, 0.5)
    assert [one.value for one in claims.study.get_trials(states=complete)] == [0.5]
    slow.finish(first, 0.25)
    assert [one.value for one in claims.study.get_trials(states=complete)] == [0.25, 0.5]


def test_who_changes_a_trial_that_was_read_changes_no_other(url):
    claims, trial = taken(url)
    [read] = claims.study.get_trials()
    read.user_attrs["mine"] = read.intermediate_values[0] = 1.0
    trial.report(0.5, 1)
    [again] = claims.study.get_trials()
    assert (again.user_attrs, again.intermediate_values) == ({}, {1: 0.5})


def test_settings_and_attributes_are_written_all_or_none(url):
    _, trial = taken(url)
    other, _ = taken(url)
    with pytest.raises(TypeError):
        trial.set_user_attrs({"good": 1, "bad": {1, 2}})
    assert other.study.trials[0].user_attrs == trial.user_attrs == {}
    with trial.together():
        trial.suggest_float("x", 0, 1)
        trial.suggest_float("y", 1e-3, 1, log=True)
        assert other.study.trials[0].params == {}
    assert other.study.trials[0].params.keys() == {"x", "y"}


def test_a_trial_that_was_lost_is_read_again_and_gets_nothing_more(url):
    claims, trial = taken(url)
    trial.report(0.25, 0)
    claims.leases.withdraw_mine()
    other, theirs = taken(url)
    assert theirs.number == trial.number
    theirs.report(0.5, 1)
    for write in (
        lambda: suggest(trial, SPACE),
        lambda: trial.report(0.75, 2),
        lambda: claims.finish(trial, 0.75),
    ):
        with pytest.raises(Lost):
            write()
    trial.set_user_attrs({"seconds": 1.0, "metrics": {}})
    [seen] = claims.study.get_trials()
    assert (seen.intermediate_values, seen.params, seen.user_attrs) == ({0: 0.25, 1: 0.5}, {}, {})
    other.finish(theirs, 0.5)
    assert [one.value for one in claims.study.get_trials()] == [0.5]


@sqlite_alone
def test_an_empty_trial_takes_few_statements_however_many_there_are(url):
    counts = []
    for total in (20, 40):
        study, storage, options = opened(url, total, sampler="tpe", explore=10)
        statements = []
        sqlalchemy.event.listen(storage.engine, "before_cursor_execute", lambda *args, to=statements: to.append(args[2]))
        run_trials(study, storage, value, options)
        counts.append(len(statements) / 20)
        close_storage(OPENED.pop(url))
    assert max(counts) < 60
    assert abs(counts[0] - counts[1]) < 5


@sqlite_alone
def test_settings_of_another_kind_are_refused_as_by_optuna(url):
    _, trial = taken(url)
    with pytest.raises(ValueError, match="different distribution kind"), trial.together():
        trial.suggest_categorical("x", ["a", "b"])
    study = optuna.create_study(storage=open_storage(url), study_name="new")
    claims = Claims(study, storage_of(url), lambda line: None)
    trial = claims.take(9)
    with trial.together():  # nothing is known of this setting
        trial.suggest_float("z", 0, 1)
    assert study.trials[0].distributions == {"z": FloatDistribution(0, 1)}
    assert found(url)[0][1] == "RUNNING"
