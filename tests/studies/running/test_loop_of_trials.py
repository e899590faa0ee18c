import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest
from helpers.forks import forked
from optuna.distributions import FloatDistribution
from optuna.trial import Trial, TrialState

from finetune.errors import UserError
from studies.running.loop import Options, prepare, run_trials
from studies.running.objective import Failed, suggest
from studies.running.storage import open_storage

SPACE = {"x": FloatDistribution(0, 1)}


def opened(folder: Path, total: int, **options: Any) -> tuple[optuna.Study, Any, Options]:
    storage = open_storage(f"sqlite:///{folder / 's.db'}")
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    made = Options(total, 2, **options)
    prepare(study, made, SPACE, [{"x": 0.5}], 0)
    return study, storage, made


def value(trial: Trial) -> float:
    return suggest(trial, SPACE)["x"] ** 2


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def test_trials_is_the_total_and_a_second_run_does_what_is_left(tmp_path: Path) -> None:
    for total, expected in ((3, 3), (3, 3), (5, 5), (2, 5)):
        study, storage, options = opened(tmp_path, total)
        run_trials(study, storage, value, options)
        assert len(study.get_trials()) == expected


def test_the_database_waits_for_locks_and_writes_ahead(tmp_path: Path) -> None:
    _, storage, _ = opened(tmp_path, 1)
    with storage.engine.connect() as connection:
        pragma = connection.exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar() == "wal"
        assert pragma("PRAGMA synchronous").scalar() == 1
        assert pragma("PRAGMA busy_timeout").scalar() == 60_000


def test_a_failed_trial_keeps_its_reason_and_counts(tmp_path: Path) -> None:
    study, storage, options = opened(tmp_path, 6)

    def sometimes(trial: Trial) -> float:
        x = value(trial)
        if trial.number == 1:
            raise Failed("diverged: the training loss is nan in epoch 2")
        if trial.number == 2:
            raise KeyError("strange")
        if trial.number == 3:
            raise optuna.TrialPruned
        return x

    run_trials(study, storage, sometimes, options)
    assert states(study) == ["COMPLETE", "FAIL", "FAIL", "PRUNED", "COMPLETE", "COMPLETE"]
    reasons = [trial.user_attrs.get("failure") for trial in study.get_trials()]
    assert reasons[1:3] == ["diverged: the training loss is nan in epoch 2", "KeyError: 'strange'"]
    assert study.get_trials()[1].params.keys() == {"x"}


def test_a_search_whose_first_trials_all_fail_stops_and_says_why(tmp_path: Path) -> None:
    study, storage, options = opened(tmp_path, 50)

    def never(trial: Trial) -> float:
        raise Failed("out of memory")

    with pytest.raises(UserError, match=r"first 5 trials all failed.*out of memory"):
        run_trials(study, storage, never, options)
    assert len(study.get_trials()) == 5


def test_the_timeout_begins_no_new_trial(tmp_path: Path) -> None:
    study, storage, options = opened(tmp_path, 1000, timeout=0.5)
    run_trials(study, storage, value, options)
    assert 0 < len(study.get_trials()) < 1000
    assert set(states(study)) == {"COMPLETE"}


def test_a_full_disk_puts_the_trial_back(tmp_path: Path) -> None:
    study, storage, options = opened(tmp_path, 3)

    def full(trial: Trial) -> float:
        suggest(trial, SPACE)
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="free some space"):
        run_trials(study, storage, full, options)
    assert states(study) == ["WAITING"]
    drawn = study.get_trials()[0].params
    run_trials(study, storage, value, options)
    assert states(study) == ["COMPLETE"] * 3
    assert study.get_trials()[0].params == drawn


@pytest.fixture
def _interruptible() -> Iterator[None]:
    # A shell starts background commands with SIGINT ignored, and so the tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_search_and_leaves_the_trial_waiting(tmp_path: Path, number: int) -> None:
    study, storage, options = opened(tmp_path, 4)

    def slow(trial: Trial) -> float:
        if trial.number == 1:
            threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
            time.sleep(30)
        return value(trial)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, storage, slow, options)
    assert states(study) == ["COMPLETE", "WAITING"]
    assert signal.getsignal(signal.SIGTERM) is before
    run_trials(study, storage, value, options)
    assert states(study) == ["COMPLETE"] * 4


def _hang(folder: Path) -> None:
    study, storage, options = opened(folder, 3)

    def forever(trial: Trial) -> float:
        suggest(trial, SPACE)
        (folder / "begun").touch()
        time.sleep(60)
        return 0.0

    run_trials(study, storage, forever, options)


@contextmanager
def hanging(folder: Path) -> Iterator[BaseProcess]:
    """A process that is in the middle of a trial, and is killed in the end."""
    with forked(_hang, folder) as (process, _):
        while not (folder / "begun").exists():
            time.sleep(0.02)
        try:
            yield process
        finally:
            process.kill()


def test_the_trial_of_a_killed_process_is_taken_up_with_its_number_and_settings(tmp_path: Path) -> None:
    with hanging(tmp_path):
        pass
    study, storage, options = opened(tmp_path, 3)
    assert states(study) == ["RUNNING"]
    drawn = study.get_trials()[0].params
    run_trials(study, storage, value, options)
    assert states(study) == ["COMPLETE"] * 3
    assert study.get_trials()[0].params == drawn


def test_the_trial_of_a_living_process_is_left_alone_and_counts(tmp_path: Path) -> None:
    with hanging(tmp_path) as process:
        study, storage, options = opened(tmp_path, 3)
        run_trials(study, storage, value, options)
        assert states(study) == ["RUNNING", "COMPLETE", "COMPLETE"]
        assert process.is_alive()


def test_finished_trials_are_told_in_order(tmp_path: Path) -> None:
    study, storage, options = opened(tmp_path, 3)
    seen: list[tuple[int, TrialState]] = []
    run_trials(study, storage, value, options, lambda trial: seen.append((trial.number, trial.state)))
    assert seen == [(number, TrialState.COMPLETE) for number in range(3)]
