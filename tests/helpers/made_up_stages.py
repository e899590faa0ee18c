"""Stages of a confirmation, made up: the runs that it leaves, without running any."""

import optuna
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from studies.running.stages import ARMS, FIRST, SEEDS, stage_name
from studies.running.storage import LINK

PLACES = {"arm": IntDistribution(0, 10**6), "seed": IntDistribution(0, SEEDS - 1)}


def made_stage(study, kind, arms, first=2001, **attrs):
    """A stage beside a study, in its storage.

    ``arms`` has pairs of what stage.Arm takes, as a dict, and the values by seed; None is a run that failed.
    """
    made = optuna.create_study(
        study_name=stage_name(study.study_name, kind), storage=study._storage, direction=study.direction
    )
    known = {LINK: {"of": study.study_name, "stage": kind}, FIRST: first, ARMS: [arm for arm, _ in arms]}
    for key, value in (known | attrs).items():
        made.set_user_attr(key, value)
    for index in range(max(len(values) for _, values in arms)):
        for arm, (_, values) in enumerate(arms):
            if index < len(values):
                made.add_trial(run_of(arm, first + index, values[index]))
    return made


def run_of(arm, seed, value):
    """One finished run."""
    if value is None:
        state = {"state": TrialState.FAIL, "user_attrs": {"failure": "diverged: the training loss is nan in epoch 2"}}
    else:
        state = {"value": value, "user_attrs": {"seconds": 1.0}}
    return create_trial(params={"arm": arm, "seed": seed}, distributions=PLACES, **state)
