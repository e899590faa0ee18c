"""Attributes of a study that are written together: in one transaction, so no reader sees a half, and no writer mixes in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudySystemAttributeModel, StudyUserAttributeModel
from sqlalchemy.orm import Session

from studies.running.leases import Leases

Row = type[StudySystemAttributeModel] | type[StudyUserAttributeModel]


class Batch:
    """The attributes of one study within a transaction.

    It stands in for the storage where a function of Optuna or its dashboard writes system attributes one by one.

    Args:
        session: The transaction.
        study_id: The database's key of the study.

    Attributes:
        system: The study's system attributes, as they will be.
        user: Its user attributes, as they will be.
    """

    def __init__(self, session: Session, study_id: int) -> None:
        self.session, self.id = session, study_id
        self._rows: dict[tuple[Row, str], Any] = {}
        self.system, self.user = self._read(StudySystemAttributeModel), self._read(StudyUserAttributeModel)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.system

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set(StudySystemAttributeModel, self.system, key, value)

    def set_user(self, key: str, value: Any) -> None:
        """Set a user attribute."""
        self._set(StudyUserAttributeModel, self.user, key, value)

    def _read(self, kind: Row) -> dict[str, Any]:
        found: Any = self.session.scalars(sql.select(kind).where(kind.study_id == self.id))
        self._rows |= {(kind, row.key): row for row in found}
        return {key: json.loads(row.value_json) for (of, key), row in self._rows.items() if of is kind}

    def _set(self, kind: Row, known: dict[str, Any], key: str, value: Any) -> None:
        known[key], text = value, json.dumps(value)
        if (kind, key) in self._rows:
            self._rows[kind, key].value_json = text
        else:
            row = self._rows[kind, key] = kind(study_id=self.id, key=key, value_json=text)
            self.session.add(row)


@contextmanager
def batch(study: optuna.Study, storage: RDBStorage) -> Iterator[Batch]:
    """Write attributes of a study together, all or none; other processes wait meanwhile.

    Raises:
        UserError: The study does not exist any more.
    """
    leases = Leases(study, storage)
    with leases.alone() as session:
        yield Batch(session, leases.id)
