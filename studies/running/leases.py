"""The table of leases: who works on which trial, and when it last gave a sign of life, by the database's clock.

The table is separate from Optuna's tables, which do not change; Optuna and its dashboard ignore it.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel, TrialModel
from optuna.trial import TrialState
from sqlalchemy.orm import Session

from finetune.errors import UserError
from studies.running.place import Place
from studies.running.storage import schema_lock

LEASES = sql.Table(
    "advsearch_leases",
    sql.MetaData(),
    sql.Column("trial_id", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("owner", sql.String(36), nullable=False),
    sql.Column("place", sql.Text, nullable=False),
    sql.Column("beats", sql.Integer, nullable=False),
    sql.Column("beat", sql.DateTime(timezone=True), nullable=False),
)
OF = LEASES.c
ALIVE = {"beats": OF.beats + 1, "beat": sql.func.now()}
RUNNING = sql.select(TrialModel.trial_id).where(TrialModel.state == TrialState.RUNNING)


class Leases:
    """The leases of one study, as one process reads and writes them.

    Args:
        study: The study.
        storage: Its database.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage) -> None:
        self.engine, self.id, self.name = storage.engine, study._study_id, study.study_name
        self.owner, self.place = str(uuid.uuid4()), str(Place.here())
        if not sql.inspect(self.engine).has_table(LEASES.name):
            with schema_lock(str(storage.url)):
                LEASES.create(self.engine, checkfirst=True)

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """A transaction that runs alone: until it ends, no other process has one, and Optuna begins no trial.

        Raises:
            UserError: The study does not exist any more.
        """
        with Session(self.engine) as session, session.begin():
            if self.engine.dialect.name == "sqlite":
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            try:
                StudyModel.find_or_raise_by_id(self.id, session, for_update=True)
            except KeyError:
                raise self.deleted() from None
            yield session

    def deleted(self) -> UserError:
        """The error for a study or trial that does not exist any more."""
        return UserError(f"study {self.name!r} is no longer in the database: it was deleted while its trials ran")

    def grant(self, session: Session, trial_id: int, owner: str, place: str) -> None:
        """Write a lease, and delete any other lease of the trial."""
        session.execute(sql.delete(LEASES).where(OF.trial_id == trial_id))
        row = {"trial_id": trial_id, "owner": owner, "place": place, "beats": 0}
        session.execute(sql.insert(LEASES).values(**row, beat=sql.func.now()))

    def withdraw(self, session: Session, lease: Any) -> bool:
        """Withdraw a lease and put its trial back, unless the owner has just renewed it; returns whether it did."""
        seen = (OF.trial_id == lease.trial_id) & (OF.owner == lease.owner) & (OF.beats == lease.beats)
        if not session.connection().execute(sql.delete(LEASES).where(seen)).rowcount:
            return False
        running = (TrialModel.trial_id == lease.trial_id) & (TrialModel.state == TrialState.RUNNING)
        session.execute(sql.update(TrialModel).where(running).values(state=TrialState.WAITING))
        return True

    def withdraw_mine(self) -> None:
        """Put back every trial that this process has begun and not finished."""
        with self.alone() as session:
            for lease in session.execute(sql.select(LEASES).where(OF.owner == self.owner)).all():
                self.withdraw(session, lease)

    def tidy(self, session: Session) -> None:
        """Drop leases of trials that are finished or deleted."""
        session.execute(sql.delete(LEASES).where(OF.trial_id.not_in(RUNNING)))

    def renew(self) -> None:
        """Give a sign of life for all running trials of this process."""
        with self.engine.begin() as connection:
            self.renewed(connection)

    def renewed(self, connection: sql.Connection, trial_id: int | None = None) -> bool:
        """Give a sign of life for one running trial, or for all of this process; returns whether there was a lease."""
        mine = (OF.owner == self.owner) & OF.trial_id.in_(RUNNING)
        if trial_id is not None:
            mine &= OF.trial_id == trial_id
        return bool(connection.execute(sql.update(LEASES).where(mine).values(ALIVE)).rowcount)

    def give_up(self, session: Session, trial_id: int) -> None:
        """Drop this process's lease of a trial that is finished."""
        session.connection().execute(sql.delete(LEASES).where(OF.trial_id == trial_id, OF.owner == self.owner))

    def holder(self, trial_id: int) -> tuple[TrialState | None, Place | None]:
        """The state of a trial (None if it is gone) and the place of its lease's owner (None if it has no lease)."""
        with self.engine.connect() as connection:
            state = connection.scalar(sql.select(TrialModel.state).where(TrialModel.trial_id == trial_id))
            place = connection.scalar(sql.select(OF.place).where(OF.trial_id == trial_id))
        return state, Place.read(place or "")

    def under_way(self) -> list[Any]:
        """Leases of the study's running trials."""
        running = (TrialModel.study_id == self.id) & (TrialModel.state == TrialState.RUNNING)
        joined = sql.select(LEASES).join(TrialModel, TrialModel.trial_id == OF.trial_id)
        with self.engine.connect() as connection:
            return list(connection.execute(joined.where(running)).all())
