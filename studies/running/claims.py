"""Which process works on which trial: a killed process's trial is continued by another, a living process's is not touched.

A claim is a lease in the database, which a thread renews. It is taken over when it has expired, or when its process is
known to have ended. Counting the trials and beginning one is a single transaction, so the total is exact in whatever
folder, machine or container the processes run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialModel
from optuna.trial import Trial, TrialState
from sqlalchemy.orm import Session

from finetune.errors import UserError
from studies.running.held import held
from studies.running.leases import LEASES, Leases
from studies.running.lockfile import left_by_old_version
from studies.running.patience import Outages
from studies.running.place import Place

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
# A process may miss five signs of life, through a busy database or a stalled interpreter, before another takes its trial.
# The trial of a process that was killed on another machine has to wait this long.
LEASE, BEAT = 60.0, 10.0
# Stored as the place of an older version's process that has ended.
ENDED = "ended"
# Owners in this process whose search is over; a notebook runs several searches in one process.
OVER: set[str] = set()


class Lost(Exception):
    """Another process has the trial now, or it is finished; the message says which."""


class Claimed(Trial):
    """A trial that this process writes to only while it holds its claim: ``report`` raises Lost if it does not.

    Args:
        study: Its study.
        trial_id: The database's key.
    """

    def set_user_attr(self, key: str, value: Any) -> None:
        """Store what the trial measured; does nothing if another process has the trial."""
        self.set_user_attrs({key: value})

    def set_user_attrs(self, attrs: dict[str, Any]) -> None:
        """Store what the trial measured, all of it or nothing; does nothing if another process has the trial."""
        with suppress(Lost):
            held(self.study).set_trial_user_attrs(self._trial_id, attrs)
            self._cached_frozen_trial.user_attrs.update(attrs)

    def together(self) -> AbstractContextManager[None]:
        """Settings that are drawn inside are stored in one transaction.

        Raises:
            Lost: Another process has the trial.
        """
        return held(self.study).together()


class Claims:
    """The claims of this process on trials of one study.

    Args:
        study: The study.
        storage: Its database.
        say: Called with a line for every trial that is taken over.
        lease: Seconds without a sign of life after which a trial is free.
        beat: Seconds between two signs of life.

    Attributes:
        outages: When the database was away.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        say: Callable[[str], None] = print,
        lease: float = LEASE,
        beat: float = BEAT,
    ) -> None:
        self.study, self.storage, self.say = study, storage, say
        self.lease, self.beat = timedelta(seconds=lease), beat
        self.leases, self.outages = Leases(study, storage), Outages(storage.engine, say)
        self._looked: dict[int, Any] = {}

    @contextmanager
    def held(self) -> Iterator["Claims"]:
        """Renew the leases in the background; at the end put back an unfinished trial, for others to continue.

        Raises:
            UserError: The study does not exist any more.
        """
        over = threading.Event()
        thread = threading.Thread(target=self._renew, args=(over,), daemon=True)
        thread.start()
        try:
            yield self
        except KeyError:  # Optuna raises it for a study that is gone
            with self.leases.alone():
                raise
        finally:
            over.set()
            thread.join(1.0)
            OVER.add(self.leases.owner)
            with suppress(sql.exc.SQLAlchemyError, UserError):
                self.put_back()

    def take(self, total: int) -> Claimed | None:
        """Begin the next trial, waiting trials first; None if ``total`` trials are finished or running.

        Raises:
            UserError: The study does not exist any more.
        """
        mine = TrialModel.study_id == self.leases.id
        with self.leases.alone() as session:
            self._sweep(session)
            busy = sql.select(sql.func.count()).where(mine, TrialModel.state != TrialState.WAITING)
            if session.scalars(busy).one() >= total:
                return None
            waiting = sql.select(TrialModel).where(mine, TrialModel.state == TrialState.WAITING)
            trial = session.scalars(waiting.order_by(TrialModel.number).limit(1)).first()
            if trial is None:
                trial = self.storage._get_prepared_new_trial(self.leases.id, None, session)
            else:
                trial.state, trial.datetime_start = TrialState.RUNNING, datetime.now()
            session.flush()
            trial_id = int(trial.trial_id)
            self.leases.grant(session, trial_id, self.leases.owner, self.leases.place)
        self.study._thread_local.cached_all_trials = None  # as Optuna's ask does
        held(self.study).hold(self.leases.id, trial_id, self)
        return Claimed(self.study, trial_id)

    def keep(self, trial_id: int) -> None:
        """Renew the lease of a trial that is about to be written to.

        Raises:
            Lost: The trial has another owner, or is finished.
            UserError: The study or trial does not exist any more.
        """
        with self.writing(trial_id):
            pass

    @contextmanager
    def writing(self, trial_id: int) -> Iterator[Session]:
        """A transaction that writes to a trial, and renews its lease.

        Raises:
            Lost: The trial has another owner, or is finished.
            UserError: The study or trial does not exist any more.
        """
        with Session(self.leases.engine) as session, session.begin():
            mine = self.leases.renewed(session.connection(), trial_id)
            if mine:
                yield session
        if not mine:
            held(self.study).release(trial_id)
            raise self._lost(trial_id)

    def _lost(self, trial_id: int) -> Lost | UserError:
        """Why a trial is not this process's any more."""
        state, place = self.leases.holder(trial_id)
        if state is None:
            return self.leases.deleted()
        if state in FINISHED:
            return Lost(f"it was finished elsewhere ({state.name.lower()})")
        if state is TrialState.RUNNING and place is not None:
            return Lost(f"{place.name} has taken it over")
        return Lost("it was put back meanwhile")

    def end(self, session: Session, trial_id: int) -> None:
        """Give up the lease of a trial in the transaction that ends it."""
        self.leases.give_up(session, trial_id)

    def put_back(self) -> None:
        """Put back every trial that this process has begun and not finished."""
        held(self.study).release()
        self.leases.withdraw_mine()

    def finish(self, trial: Trial, value: float | tuple[float, ...] | None = None, state: TrialState | None = None) -> None:
        """Store how a trial ended, and give up its lease.

        Raises:
            Lost: Another process has the trial, or has finished it.
            UserError: The study or trial does not exist any more.
        """
        self.study.tell(trial, value, state=state)

    def settled(self) -> bool:
        """Whether every running trial has a process known to be alive: on this machine, or because it renewed its lease."""
        unsure = (lease for lease in self.leases.under_way() if not alive(lease.place))
        return not [lease for lease in unsure if self._looked.setdefault(lease.trial_id, lease) == lease]

    def busy(self, session: Session) -> list[tuple[int, str]]:
        """The number of each trial that a process may be working on, and which process."""
        self._sweep(session)
        running = sql.select(TrialModel.number, LEASES.c.place).join(LEASES, LEASES.c.trial_id == TrialModel.trial_id)
        mine = (TrialModel.study_id == self.leases.id) & (TrialModel.state == TrialState.RUNNING)
        found = session.execute(running.where(mine).order_by(TrialModel.number)).all()
        unknown = f"whether its process still runs is known in {self.lease.total_seconds():.0f} s"
        places = [(number, Place.read(place)) for number, place in found]
        return [(number, f"{place.name} works on it" if place else unknown) for number, place in places]

    def _sweep(self, session: Session) -> None:
        """Put back the trials of dead processes: each keeps its number and settings, and goes on from its last epoch."""
        now: Any = session.scalar(sql.select(sql.func.now()))
        leases = {lease.trial_id: lease for lease in session.execute(sql.select(LEASES))}
        running = (TrialModel.study_id == self.leases.id) & (TrialModel.state == TrialState.RUNNING)
        for trial in session.scalars(sql.select(TrialModel).where(running).order_by(TrialModel.number)).all():
            lease = leases.get(trial.trial_id)
            if lease is None or not lease.owner:
                lease = self._watched(session, trial, lease)
            why = self._why_free(lease, now)
            if why and self.leases.withdraw(session, lease):
                self.say(f"trial {trial.number} is free again: {why}")
        self.leases.tidy(session)

    def _watched(self, session: Session, trial: TrialModel, lease: Any) -> Any:
        """The lease for a trial that was begun without one, by an older version or another program."""
        ended = left_by_old_version(trial)
        if lease is None or ended is False:
            self.leases.grant(session, int(trial.trial_id), "", ENDED if ended else "")
            lease = session.execute(sql.select(LEASES).where(LEASES.c.trial_id == trial.trial_id)).one()
        return lease

    def _why_free(self, lease: Any, now: Any) -> str | None:
        """Why a lease no longer counts; None if it does."""
        if lease.place == ENDED:
            return "the process that began it has ended"
        if lease.owner in OVER:
            return "the search that began it in this process has ended"
        place = Place.read(lease.place)
        if place is not None and place.gone:
            return f"{place.name} has ended"
        if now - lease.beat > self.lease and not self.outages.recent(self.lease.total_seconds()):
            who = place.name if place else "the process that began it"
            return f"{who} has given no sign of life for {(now - lease.beat).total_seconds():.0f} s"
        return None

    def _renew(self, over: threading.Event) -> None:
        while not over.wait(self.beat):
            with suppress(sql.exc.SQLAlchemyError):  # a database that is busy for a while must not stop training
                self.leases.renew()


def alive(place: str) -> bool:
    """Whether a process is known to run on this machine."""
    where = Place.read(place)
    return where is not None and where.near and not where.gone
