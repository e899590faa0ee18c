"""Searches in processes of their own, with an objective that takes milliseconds."""

import multiprocessing
import os
import socket
import time
import warnings
from functools import partial
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution

from studies.running.loop import Options, prepare, run_trials
from studies.running.objective import suggest
from studies.running.storage import close_storage, open_storage

SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(1e-3, 1, log=True)}
START = {"x": 0.5, "y": 0.5}
OPENED = {}


def storage_of(url):
    """The database, opened once by a test."""
    if url not in OPENED:
        OPENED[url] = open_storage(url)
    return OPENED[url]


def close_all():
    """Close what the test has opened."""
    while OPENED:
        close_storage(OPENED.popitem()[1])


def opened(url, trials, **options):
    """The study, its storage and options; the database is made where it is not there."""
    storage = storage_of(url)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    options = Options(trials, **{"explore": 4, "sampler": "random"} | options)
    prepare(study, options, SPACE, [START], 0)
    return study, storage, options


def value(trial, pause=0.0, gate=None):
    """Report three epochs, once the file ``gate`` is there; every value is a function of the settings."""
    while gate is not None and not gate.exists():
        time.sleep(0.02)
    settings = suggest(trial, SPACE)
    known = trial.storage.get_trial(trial._trial_id).intermediate_values
    for epoch in range(3):
        time.sleep(pause)
        result = settings["x"] * (epoch + 1) + settings["y"]
        if epoch not in known:
            trial.report(result, epoch)
    return result


def work(url, folder, trials, pause, host, gate, options):
    """What one process does."""
    OPENED.clear()  # the parent's
    if host is not None:
        socket.gethostname = lambda: host
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    study, storage, made = opened(url, trials, **options)
    with (folder / f"log-{os.getpid()}").open("w") as log:
        run_trials(
            study, storage, partial(value, pause=pause, gate=gate), made, say=lambda line: print(line, file=log, flush=True)
        )
    close_all()


def begin(url, folder, trials=12, pause=0.02, host=None, gate=None, **options):
    """A process that works in a folder, on a machine of another name if one is given; trials wait for the file ``gate``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch has threads; nothing here uses them after the fork
        process = multiprocessing.get_context("fork").Process(
            target=work, args=(url, Path(folder), trials, pause, host, gate, options)
        )
        process.start()
    return process


def kill(process):
    """End it as the kernel does when memory is short."""
    process.kill()  # one that has ended already stays as it is
    process.join()


def found(url):
    """Number, state, settings, value and reports of every trial."""
    trials = optuna.load_study(study_name="s", storage=storage_of(url)).get_trials()
    return [(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in trials]
