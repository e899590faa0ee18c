"""Create a study, or continue one."""

from typing import Any, Protocol

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial

from finetune.training.epoch import Epoch, stored
from studies.planning.directions import directions_of
from studies.planning.identity import ACCEPTED, BASELINE, CONSTANT, KEY, VALIDATION, refuse_another
from studies.planning.versions import changes, versions
from studies.running.storage import has_study
from studies.running.two_metrics import Value


class Trains(Protocol):
    """What trains the trials of a study.

    Attributes:
        made_under: Versions and device that each trial records, where they differ from the study's.
    """

    made_under: dict[str, Any]

    def __call__(self, trial: Trial) -> Value:
        """Train one trial and return its value, or its value in each of two metrics."""

    def baseline(self) -> list[Epoch]:
        """Clean training with the same recipe and seed."""

    def validation(self, clean: float) -> dict[str, Any]:
        """The number of validation rows and the error that it gives the value of clean training; empty if not known."""

    def clean_up(self, trial: Trial | FrozenTrial) -> None:
        """Delete what a finished trial left behind."""


def find_study(storage: RDBStorage, name: str) -> optuna.Study | None:
    """The study of that name; None if there is none."""
    if not has_study(storage, name):
        return None
    return optuna.load_study(study_name=name, storage=storage)


def has_baseline(there: optuna.Study | None) -> bool:
    """Whether clean training is known."""
    return there is not None and {BASELINE, KEY} <= there.user_attrs.keys()


def baseline_of(there: optuna.Study | None, objective: Trains) -> list[dict[str, Any]]:
    """The clean epochs stored in the study; if there are none yet, they are trained."""
    if there is not None and has_baseline(there):
        found: list[dict[str, Any]] = there.user_attrs[BASELINE]
        return found
    return [stored(epoch) for epoch in objective.baseline()]


def begin(storage: RDBStorage, name: str, mine: dict[str, Any], measured: dict[str, Any], accept: bool) -> optuna.Study:
    """Create or continue the study once its baseline is known: what cannot be trained leaves no study.

    The study's identity is written once; versions that are accepted later are stored separately.

    Args:
        storage: The database.
        name: The study's name.
        mine: The study's identity.
        measured: The baseline, the constant guess, and what is known about the validation rows.
        accept: Whether other versions are accepted.

    Raises:
        UserError: Another process has meanwhile created a study of this name about something else.
    """
    study = optuna.create_study(study_name=name, storage=storage, directions=directions_of(mine), load_if_exists=True)
    if KEY not in study.user_attrs:
        for key, value in (measured | {KEY: mine}).items():
            study.set_user_attr(key, value)
        return study
    refuse_another(study, mine, accept)
    for key in (CONSTANT, VALIDATION):  # not the machine, which may be another now
        if key in measured and key not in study.user_attrs:  # the study is older than this attribute
            study.set_user_attr(key, measured[key])
    accepted = study.user_attrs.get(ACCEPTED, [])
    if changes(study.user_attrs[KEY]["versions"], versions()) and versions() not in accepted:
        study.set_user_attr(ACCEPTED, [*accepted, versions()])
    return study
