"""Studies as a search leaves them, made up in memory: the first setting decides, the others hardly matter."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from finetune.config import Data, Recipe
from spaces import space_of
from studies.planning.identity import KEY
from studies.planning.plan import describe_space
from studies.results.importance import Finding, Matters
from studies.results.summary import BASELINE, Summary, summarise
from studies.running.sampling import at, design_point

EPOCHS = 4
CLEAN = 0.8125
BEGAN = datetime(2030, 1, 1, 9)
# With the epochs that each had.
STATES = {"C": (TrialState.COMPLETE, EPOCHS), "P": (TrialState.PRUNED, 2), "F": (TrialState.FAIL, 1)}
REASON = "diverged: the training loss is nan in epoch 2"


def made(
    states,
    space=None,
    *,
    explore=8,
    metric="accuracy",
    maximize=True,
    fixed=None,
    failure=REASON,
    name="made",
    gain=0.03,
    clipped=0.25,
):
    """A study with one trial for each letter of ``states``: C complete, P pruned, F failed.

    ``gain`` is what the best settings are better than clean training by, ``clipped`` what every trial measured.
    """
    space = space_of("awp", EPOCHS) if space is None else space
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(direction=direction, study_name=name)
    identity = {
        "method": "awp" if space else "none",
        "fixed": fixed or {},
        "space": describe_space(space),
        "data": Data(task="reviews").model_dump(mode="json"),
        "data fingerprint": "0123456789abcdef",
        "recipe": Recipe(epochs=EPOCHS, seed=7).model_dump(mode="json"),
        "metric": metric,
        "model fingerprint": "fedcba9876543210",
        "direction": direction,
        "search": {"explore": explore, "sampler": "tpe", "pruner": "median"},
        "versions": {"torch": "2.0"},
    }
    study.set_user_attr(KEY, identity)
    epochs = zip(curve(CLEAN, maximize), range(EPOCHS), strict=True)
    baseline = [epoch(number, value, metric, seconds=1.5) for value, number in epochs]
    study.set_user_attr(BASELINE, baseline)
    for number, letter in enumerate(states):
        params = design_point(space, 0, number)
        if number >= explore:
            params = near_good(params, space, np.random.default_rng(number))
        value = CLEAN + (1 if maximize else -1) * (gain - loss(params, space, number))
        study.add_trial(made_trial(number, letter, params, space, metric, curve(value, maximize), failure, clipped))
    return study


def summary(states, *args, **options) -> Summary:
    """The summary of such a study."""
    return summarise(made(states, *args, **options))


def with_findings(found, rows):
    """The summary with these importances in place of its own."""
    found = replace(found)
    found.__dict__["matters"] = Matters(rows, 0.004, [], len(found.trials))
    return found


def matter_of(name, question="improves", share=0.9, low=0.8, high=0.95, floor=0.3):
    """A finding about one setting."""
    return Finding((name,), question, share, low, high, floor, share > floor)


def epoch(number, value, metric, seconds):
    return {"number": number, "metrics": {metric: value}, "diagnostics": {}, "loss": 0.5, "seconds": seconds}


def curve(last, maximize):
    """The metric after each epoch, better and better up to ``last``."""
    gone = 0.4 * 0.4 ** np.arange(EPOCHS)
    gone[-1] = 0.0
    return [float(last - left if maximize else last + left) for left in gone]


def loss(params, space, number):
    """What settings away from the good place cost, each a tenth of the one before; and noise."""
    away = [(where(space[name], params[name]) - 0.4) ** 2 for name in sorted(space)]
    return sum(0.25 * 0.1**i * far for i, far in enumerate(away)) + 0.004 * np.random.default_rng(number).standard_normal()


def made_trial(number, letter, params, space, metric, values, failure, clipped):
    state, done = STATES[letter]
    seconds = done * 0.75 + 0.1 * (number % 3)
    attrs = {"seconds": seconds, "metrics": {metric: values[done - 1], "extra": 0.5}}
    if letter == "F":
        attrs["failure"] = failure
    else:
        attrs["diagnostics"] = {"relative": 0.01 * (number + 1), "clipped": clipped}
    trial = create_trial(
        state=state,
        value=None if letter == "F" else values[done - 1],
        params=params,
        distributions=space,
        user_attrs=attrs,
        intermediate_values=dict(enumerate(values[:done])),
    )
    trial.datetime_start = BEGAN + timedelta(seconds=4 * number)
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=seconds)
    return trial


def where(distribution, value):
    """The position of a value in its range, 0..1."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices.index(value) / max(1, len(distribution.choices) - 1)
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high, value = np.log(low), np.log(high), np.log(value)
    return (value - low) / max(high - low, 1e-12)


def near_good(params, space, rng):
    """What a model that has learnt would draw: most settings from around the good place."""
    drawn = {name: float(np.clip(0.4 + 0.12 * rng.standard_normal(), 0, 0.999)) for name in space}
    return {name: at(space[name], drawn[name]) if rng.random() < 0.7 else params[name] for name in space}


def stored(study, storage):
    """The study, copied into a database; into an empty SQLite file as a whole, if the same study was copied before."""
    path = Path(storage.engine.url.database or "")
    empty = storage.engine.name == "sqlite" and not storage.get_all_studies()
    key = content_of(study)
    if empty and key in COPIES:
        with closing(sqlite3.connect(":memory:")) as kept, closing(sqlite3.connect(path)) as file:
            kept.deserialize(COPIES[key])
            kept.backup(file)
    else:
        optuna.copy_study(from_study_name=study.study_name, from_storage=study._storage, to_storage=storage)
        if empty:
            with closing(sqlite3.connect(path)) as file:
                whole = bytearray(file.serialize())
            whole[18:20] = b"\1\1"  # it has no log beside it, as the file had
            COPIES[key] = bytes(whole)
    return optuna.load_study(study_name=study.study_name, storage=storage)


# Databases with one study each, by its content: a trial takes SQLAlchemy ten milliseconds.
COPIES = {}


def content_of(study):
    """All that is copied of a study."""
    attrs = (study.user_attrs, study._storage.get_study_system_attrs(study._study_id))
    return repr((study.study_name, study.directions, attrs, [vars(trial) for trial in study.get_trials()]))
