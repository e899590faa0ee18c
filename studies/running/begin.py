"""Take up a study, or make it."""

from dataclasses import asdict
from typing import Any, Protocol

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial

from finetune.training.loop import Epoch
from studies.planning.identity import ACCEPTED, BASELINE, CONSTANT, KEY, refuse_another
from studies.planning.versions import changes, versions


class Trains(Protocol):
    """What trains the trials of a study.

    Attributes:
        made_under: What every trial keeps of versions and device, where they are not the study's.
    """

    made_under: dict[str, Any]

    def __call__(self, trial: Trial) -> float:
        """Train one trial; returns its value."""

    def baseline(self) -> list[Epoch]:
        """Clean training with the same recipe and seed."""

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Forget what a finished trial left."""


def find_study(storage: RDBStorage, name: str) -> optuna.Study | None:
    """The study of that name, where there is one."""
    if name not in optuna.get_all_study_names(storage):
        return None
    return optuna.load_study(study_name=name, storage=storage)


def baseline_of(there: optuna.Study | None, objective: Trains) -> list[dict[str, Any]]:
    """The clean epochs that the study knows; where there is none yet, they are trained."""
    known = {} if there is None else there.user_attrs
    if {BASELINE, KEY} <= known.keys():
        found: list[dict[str, Any]] = known[BASELINE]
        return found
    return [asdict(epoch) for epoch in objective.baseline()]


def begin(storage: RDBStorage, name: str, mine: dict[str, Any], measured: dict[str, Any], accept: bool) -> optuna.Study:
    """Take up the study, or make it, now that its baseline is known: what cannot be trained leaves no study.

    What a study is about is written once; versions that were accepted later are added beside it.

    Args:
        storage: The database.
        name: Of the study.
        mine: Its identity.
        measured: Baseline and constant guess.
        accept: Whether other versions will do.

    Raises:
        UserError: Another process has made one about something else meanwhile.
    """
    study = optuna.create_study(study_name=name, storage=storage, direction=mine["direction"], load_if_exists=True)
    if KEY not in study.user_attrs:
        for key, value in (measured | {KEY: mine}).items():
            study.set_user_attr(key, value)
        return study
    refuse_another(study, mine, accept)
    if CONSTANT in measured and CONSTANT not in study.user_attrs:  # older than that
        study.set_user_attr(CONSTANT, measured[CONSTANT])
    accepted = study.user_attrs.get(ACCEPTED, [])
    if changes(study.user_attrs[KEY]["versions"], versions()) and versions() not in accepted:
        study.set_user_attr(ACCEPTED, [*accepted, versions()])
    return study
