"""Studies with two metrics, written out trial by trial."""

import optuna
from optuna.trial import TrialState, create_trial

from helpers.made_up_studies import EPOCHS, epoch, made
from spaces import space_of
from studies.planning.directions import SECOND, SECOND_DIRECTION
from studies.planning.identity import BASELINE, KEY
from studies.running.sampling import design_point


def two_study(
    rows,
    *,
    metrics=("accuracy", "seconds"),
    directions=("maximize", "minimize"),
    clean=(0.8, 6.0),
    name="two",
    storage=None,
    attrs=None,
    about=None,
):
    """A study with a trial for each pair of values; None is a trial that failed.

    Clean training reaches ``clean``; every trial has the first metric after each epoch, as a search stores it.
    """
    study = optuna.create_study(directions=list(directions), study_name=name, storage=storage)
    about = made("").user_attrs[KEY] | {"metric": metrics[0], "direction": directions[0]} | (about or {})
    about |= {SECOND: metrics[1], SECOND_DIRECTION: directions[1]}
    about["search"] = about["search"] | {"pruner": "none"}
    study.set_user_attr(KEY, about)
    study.set_user_attr(BASELINE, clean_epochs(metrics, clean))
    for key, value in (attrs or {}).items():
        study.set_user_attr(key, value)
    space = space_of("awp", EPOCHS)
    for number, values in enumerate(rows):
        study.add_trial(two_trial(number, values, metrics, space))
    return study


def clean_epochs(metrics, clean):
    """Epochs of clean training; of seconds, the sum is the value."""
    first, second = clean
    timed = metrics[1] == "seconds"
    rows = [epoch(n, first - 0.01 * (EPOCHS - 1 - n), metrics[0], second / EPOCHS if timed else 1.5) for n in range(EPOCHS)]
    for row in [] if timed else rows:
        row["metrics"][metrics[1]] = second
    return rows


def two_trial(number, values, metrics, space):
    """One trial with both values, or a failed one."""
    params = design_point(space, 0, number)
    if values is None:
        attrs = {"seconds": 1.0, "failure": "diverged: the training loss is nan in epoch 2"}
        return create_trial(state=TrialState.FAIL, params=params, distributions=space, user_attrs=attrs)
    first, second = values
    reached = {metrics[0]: first} | ({} if metrics[1] == "seconds" else {metrics[1]: second})
    curve = [{metrics[0]: first - 0.02 * (EPOCHS - 1 - n)} for n in range(EPOCHS - 1)] + [reached]
    seconds = second if metrics[1] == "seconds" else 3.0
    attrs = {
        "seconds": seconds,
        "metrics": reached,
        "metrics by epoch": curve,
        "diagnostics": {"relative": 0.01 * (number + 1)},
    }
    return create_trial(values=[first, second], params=params, distributions=space, user_attrs=attrs)
