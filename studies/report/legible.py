"""A database as the dashboard shows it: numbers and short texts as attributes, not the tables that the program reads."""

import copy
from collections.abc import Container
from typing import Any

from optuna.storages import RDBStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from studies.running.objective import flat


class Legible(RDBStorage):
    """A database whose studies and trials have only attributes that can be read; nothing in it is changed by that."""

    def get_all_studies(self) -> list[FrozenStudy]:
        studies = super().get_all_studies()
        for study in studies:
            study.user_attrs = legible(study.user_attrs)
        return studies

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [single(trial) for trial in super().get_all_trials(study_id, deepcopy, states)]


def legible(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes without tables and lists."""
    return {name: value for name, value in attrs.items() if not isinstance(value, dict | list)}


def single(trial: FrozenTrial) -> FrozenTrial:
    """A trial whose tables are single numbers, also in studies of older versions."""
    seen = copy.copy(trial)
    seen.user_attrs = flat(trial.user_attrs) | legible(trial.user_attrs)
    return seen
