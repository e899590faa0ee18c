"""Studies written out trial by trial, with what is known of their noise and of broken trials said instead of reckoned."""

import optuna
from optuna.trial import TrialState, create_trial

from helpers.made_up_studies import epoch, made
from studies.planning.identity import BASELINE, KEY
from studies.planning.plan import describe_space
from studies.results.importance import Matters
from studies.results.summary import summarise


def plain_study(rows, space, *, clean=(0.7, 0.8), maximize=True, metric="accuracy", name="plain", attrs=None, about=None):
    """A study with a trial for each (value, settings); a value of None is a failed trial.

    ``clean`` has the metric after each epoch, ``attrs`` more attributes of the study, ``about`` other parts of its identity.
    """
    study = optuna.create_study(direction="maximize" if maximize else "minimize", study_name=name)
    identity = made("").user_attrs[KEY] | {
        "space": describe_space(space),
        "metric": metric,
        "direction": "maximize" if maximize else "minimize",
    }
    identity["recipe"] = identity["recipe"] | {"epochs": len(clean)}
    study.set_user_attr(KEY, identity | (about or {}))
    study.set_user_attr(BASELINE, [epoch(number, value, metric, 1.0) for number, value in enumerate(clean)])
    for key, value in (attrs or {}).items():
        study.set_user_attr(key, value)
    for value, params in rows:
        facts = {"value": value} if value is not None else {"state": TrialState.FAIL}
        measured = {"seconds": 1.0, "metrics": {metric: value}}
        study.add_trial(create_trial(params=params, distributions=space, user_attrs=measured, **facts))
    return study


def plain_summary(rows, space, *, noise=0.0, broken=(), **options):
    """The summary of such a study, with this noise and these broken trials."""
    found = summarise(plain_study(rows, space, **options))
    found.__dict__["matters"] = Matters([], noise, list(broken), len(rows))
    return found
