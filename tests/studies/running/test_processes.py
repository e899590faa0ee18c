"""Searches in several processes at once, some of them killed."""

import random
import time

import optuna
import pytest
from helpers.databases import crossed
from helpers.worker_processes import begin, found, kill, opened, storage_of, value
from optuna.trial import TrialState

from finetune.errors import UserError
from studies.running.loop import run_trials


def elsewhere(url, act):
    """An objective during whose first trial something happens elsewhere."""

    def objective(trial):
        if trial.number == 1:
            act(optuna.load_study(study_name="s", storage=storage_of(url)))
        return value(trial)

    return objective


@crossed(
    ("act", "said", "ended"),
    {
        "put back": (
            lambda study: study._storage.set_trial_state_values(study.trials[1]._trial_id, TrialState.WAITING),
            "put back meanwhile",
            "COMPLETE",
        ),
        "told": (lambda study: study.tell(1, 0.25), "finished elsewhere (complete)", "COMPLETE"),
        "failed": (lambda study: study.tell(1, state=TrialState.FAIL), "finished elsewhere (fail)", "FAIL"),
    },
)
def test_a_trial_that_ends_elsewhere_is_a_line_and_the_search_goes_on(url, act, said, ended):
    study, storage, options = opened(url, 4)
    lines = []
    objective, acts = elsewhere(url, lambda found: acts.pop()(found) if acts else None), [act]
    run_trials(study, storage, objective, options, say=lines.append)
    assert [state for _, state, *_ in found(url)] == ["COMPLETE", ended, "COMPLETE", "COMPLETE"]
    assert len(lines) == 1
    assert lines[0].startswith("trial 1 is left to others: ")
    assert said in lines[0]


@crossed(("when",), {when: (when,) for when in ("while a trial trains", "between two trials")})
def test_a_study_that_is_deleted_meanwhile_is_one_line(url, when):
    study, storage, options = opened(url, 4)

    def delete(*_):
        optuna.delete_study(study_name="s", storage=storage_of(url))

    objective = elsewhere(url, delete) if when == "while a trial trains" else value
    after = (lambda trial: None) if when == "while a trial trains" else delete
    with pytest.raises(UserError, match=r"study 's' is no longer in the database: it was deleted while its trials ran"):
        run_trials(study, storage, objective, options, after)


def test_four_processes_in_four_folders_begin_on_a_new_database_and_make_one_search(new_url, tmp_path, alone):
    processes = [begin(new_url, tmp_path / str(number), trials=12) for number in range(4)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert found(new_url) == alone[:12]


def test_processes_killed_at_random_leave_the_trials_of_an_undisturbed_search(url, tmp_path, alone):
    rng = random.Random(5)
    processes = [begin(url, tmp_path / "0", trials=16) for _ in range(3)]
    for number in range(1, 6):
        time.sleep(0.05 + 0.1 * rng.random())
        kill(processes.pop(rng.randrange(3)))
        processes.append(begin(url, tmp_path / str(number % 3), trials=16))
    for process in processes:
        process.join()
    study, storage, options = opened(url, 16)
    run_trials(study, storage, value, options, say=lambda line: None)
    assert found(url) == alone
