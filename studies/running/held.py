"""A study's database as the process sees it that works on a trial: that trial is known, and written in few transactions.

Whenever a sampler or pruner looks at a study, Optuna reads all unfinished trials again, with seven statements, and it writes
each setting and attribute in a transaction of its own: 207 statements for a trial with ten values.
"""

import copy
import json
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Protocol

import optuna
import sqlalchemy as sql
from optuna.distributions import BaseDistribution, check_distribution_compatibility, distribution_to_json
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb.models import (
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

OPEN = (TrialState.RUNNING, TrialState.WAITING)


class Owner(Protocol):
    """Who may write to a trial that this process holds."""

    def writing(self, trial_id: int) -> AbstractContextManager[Session]:
        """A transaction that writes to the trial."""

    def end(self, session: Session, trial_id: int) -> None:
        """Give up the trial in the transaction that ends it."""


class Held(_CachedStorage):
    """Optuna's storage with its cache, where trials of this process are not read again and are written at one go.

    Args:
        storage: The storage; both have the same cache.
    """

    def __init__(self, storage: _CachedStorage) -> None:
        self.__dict__.update(storage.__dict__)
        self._mine: dict[int, FrozenTrial] = {}
        # Who writes to the trials that this process has claimed, also where it lost them meanwhile.
        self._owners: dict[int, Owner] = {}
        self._drawn: list[dict[str, Any]] | None = None

    def hold(self, study_id: int, trial_id: int, owner: Owner) -> None:
        """Read a trial that this process has just claimed."""
        self._mine.pop(trial_id, None)
        trials = {trial._trial_id: trial for trial in super().get_all_trials(study_id, deepcopy=False)}
        self._mine[trial_id], self._owners[trial_id] = trials[trial_id], owner

    def release(self, trial_id: int | None = None) -> None:
        """From now on, read a trial, or all, from the database again."""
        for one in [trial_id] if trial_id is not None else list(self._mine):
            self._mine.pop(one, None)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._mine[trial_id] if trial_id in self._mine else super().get_trial(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if not self._mine or self._news(study_id, states):
            return super().get_all_trials(study_id, deepcopy, states)
        with self._lock:
            known = sorted(self._studies[study_id].trials.items())
        trials = [trial for _, trial in known if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def _news(self, study_id: int, states: Container[TrialState] | None) -> bool:
        """Whether the cache lacks anything about trials in these states: one statement, which reads no trial."""
        with self._lock:
            cache = self._studies[study_id]
            last, earlier = cache.last_finished_trial_id, {one for one in cache.unfinished_trial_ids}
        asked = (TrialModel.study_id == study_id) & ((TrialModel.trial_id > last) | TrialModel.trial_id.in_(earlier))
        with self._backend.engine.connect() as connection:
            rows = connection.execute(sql.select(TrialModel.trial_id, TrialModel.state).where(asked))
            found = {int(one): TrialState(state) for one, state in rows}
        if any(found.get(one) is not TrialState.RUNNING for one in self._mine):
            return True
        if states is not None and not any(state in states for state in OPEN):
            return any(state.is_finished() for state in found.values())
        return found.keys() != self._mine.keys()

    def _add_trials_to_cache(self, study_id: int, trials: list[FrozenTrial]) -> None:
        still = [self._mine.get(t._trial_id, t) if t.state is TrialState.RUNNING else t for t in trials]
        super()._add_trials_to_cache(study_id, still)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Settings that are drawn inside are written in one transaction.

        Raises:
            Lost: Another process has the trial.
        """
        self._drawn = []
        try:
            yield
        finally:
            rows, self._drawn = self._drawn, None
            if rows:
                with self._writing(rows[0]["trial_id"]) as session:
                    session.connection().execute(sql.insert(TrialParamModel), rows)

    def set_trial_param(self, trial_id: int, name: str, value: float, distribution: BaseDistribution) -> None:
        known = self._studies[self._trial_id_to_study_id_and_number[trial_id][0]].param_distribution.get(name)
        if trial_id not in self._owners or self._drawn is None or known is None:
            super().set_trial_param(trial_id, name, value, distribution)
            return
        check_distribution_compatibility(known, distribution)
        row = {"trial_id": trial_id, "param_name": name, "param_value": value}
        self._drawn.append(row | {"distribution_json": distribution_to_json(distribution)})

    def set_trial_intermediate_value(self, trial_id: int, step: int, value: float) -> None:
        if trial_id not in self._owners:
            super().set_trial_intermediate_value(trial_id, step, value)
            return
        stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        row = {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}
        with self._writing(trial_id) as session:
            session.connection().execute(sql.insert(TrialIntermediateValueModel).values(row))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.set_trial_user_attrs(trial_id, {key: value})

    def set_trial_user_attrs(self, trial_id: int, attrs: dict[str, Any]) -> None:
        """Write attributes of a trial, those of a held one in one transaction.

        Raises:
            Lost: Another process has the trial.
        """
        if trial_id not in self._owners:
            for key, value in attrs.items():
                super().set_trial_user_attr(trial_id, key, value)
            return
        rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]
        kind = TrialUserAttributeModel
        with self._writing(trial_id) as session:
            connection = session.connection()
            connection.execute(sql.delete(kind).where(kind.trial_id == trial_id, kind.key.in_(attrs)))
            connection.execute(sql.insert(kind), rows)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        if trial_id not in self._owners or not state.is_finished():
            return super().set_trial_state_values(trial_id, state, values)
        rows = []
        for objective, value in enumerate(values or ()):
            stored, kind = TrialValueModel.value_to_stored_repr(value)
            rows.append({"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind})
        ended, owner = {"state": state, "datetime_complete": datetime.now()}, self._owners[trial_id]
        with self._writing(trial_id) as session:
            connection = session.connection()
            connection.execute(sql.update(TrialModel).where(TrialModel.trial_id == trial_id).values(ended))
            if rows:
                connection.execute(sql.insert(TrialValueModel), rows)
            owner.end(session, trial_id)
        self.release(trial_id)
        super().get_all_trials(self._trial_id_to_study_id_and_number[trial_id][0], deepcopy=False)  # as it is stored
        return True

    def _writing(self, trial_id: int) -> AbstractContextManager[Session]:
        return self._owners[trial_id].writing(trial_id)


def held(study: optuna.Study) -> Held:
    """The study's storage, which from now on can hold trials."""
    storage = study._storage
    if not isinstance(storage, Held):
        assert isinstance(storage, _CachedStorage)
        study._storage = storage = Held(storage)
    return storage
