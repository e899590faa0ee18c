"""Which process works on which trial, so that a killed one's trial is taken up and a living one's is left alone.

A claim is a lease in the database, which a thread renews; one that has run out, or whose process is known to be gone, is
taken over. A trial is begun in one transaction with the count of those that there are, so that the total is exact in
whatever folders, machines or containers the processes run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialModel
from optuna.trial import Trial, TrialState
from sqlalchemy.orm import Session

from finetune.errors import UserError
from studies.running.leases import LEASES, Leases
from studies.running.lockfile import left_by_old_version
from studies.running.place import Place

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
# Five signs of life may be missed, to a busy database or a stalled interpreter, before a trial is trained twice; the trial
# of a killed process on another machine waits no longer than this.
LEASE, BEAT = 60.0, 10.0
# The place of a process of an older version that is known to have ended.
ENDED = "ended"
# Owners in this process whose search is over: another may follow in it, as in a notebook.
OVER: set[str] = set()


class Lost(Exception):
    """The trial is no longer this process's; the message says why."""


class Claimed(Trial):
    """A trial that is written to as long as it is this process's.

    Args:
        study: Its study.
        trial_id: The database's key.
        claims: Know whether it still is.
    """

    def __init__(self, study: optuna.Study, trial_id: int, claims: "Claims") -> None:
        self._claims = claims
        super().__init__(study, trial_id)

    def report(self, value: float, step: int) -> None:
        """Store a value.

        Raises:
            Lost: Another process has the trial.
        """
        self._claims.keep(self._trial_id)
        super().report(value, step)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Store what the trial measured; nothing where another process has the trial."""
        with suppress(Lost):
            self._claims.keep(self._trial_id)
            super().set_user_attr(key, value)


class Claims:
    """The claims of this process on trials of one study.

    Args:
        study: The study.
        storage: Its database.
        say: Told of what is taken over.
        lease: Seconds without a sign of life after which a trial is free.
        beat: Seconds between two signs of life.
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
        self.leases = Leases(study, storage)
        self._looked: dict[int, Any] = {}

    @contextmanager
    def held(self) -> Iterator["Claims"]:
        """Renew the leases in the background; at the end a trial that is under way waits to be taken up.

        Raises:
            UserError: The study is no longer there.
        """
        over = threading.Event()
        thread = threading.Thread(target=self._renew, args=(over,), daemon=True)
        thread.start()
        try:
            yield self
        except KeyError:  # Optuna's word for what is not there
            with self.leases.alone():
                raise
        finally:
            over.set()
            thread.join(1.0)
            OVER.add(self.leases.owner)
            with suppress(sql.exc.SQLAlchemyError, UserError):
                self.leases.withdraw_mine()

    def take(self, total: int) -> Claimed | None:
        """The next trial, a waiting one first; None when ``total`` are finished or under way.

        Raises:
            UserError: The study is no longer there.
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
        self.study._thread_local.cached_all_trials = None  # as Optuna's own ask does
        self.study.get_trials(deepcopy=False)  # its cache must know the trial before it can be written to
        return Claimed(self.study, trial_id, self)

    def keep(self, trial_id: int) -> None:
        """Renew the lease of a trial that is about to be written to.

        Raises:
            Lost: It has another owner, or is finished.
            UserError: It is no longer there.
        """
        if self.leases.renew(trial_id):
            return
        state, place = self.leases.holder(trial_id)
        if state is None:
            raise self.leases.deleted()
        if state in FINISHED:
            raise Lost(f"it was finished elsewhere ({state.name.lower()})")
        if state is TrialState.RUNNING and place is not None:
            raise Lost(f"{place.name} has taken it over")
        raise Lost("it was put back meanwhile")

    def finish(self, trial: Trial, value: float | None = None, state: TrialState | None = None) -> None:
        """Tell how a trial ended, and give up its lease.

        Raises:
            Lost: Another process has the trial, or has finished it.
            UserError: It is no longer there.
        """
        self.keep(trial._trial_id)
        try:
            self.study.tell(trial, value, state=state)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError, KeyError):
            self.keep(trial._trial_id)  # finished or deleted in this very moment
            raise
        self.leases.give_up(trial._trial_id)

    def settled(self) -> bool:
        """Whether every trial that is under way elsewhere has a living process: here, or renewing its lease."""
        unsure = (lease for lease in self.leases.under_way() if not alive(lease.place))
        return not [lease for lease in unsure if self._looked.setdefault(lease.trial_id, lease) == lease]

    def busy(self, session: Session) -> list[tuple[int, str]]:
        """Number of each trial that a process may be at work on, and which process."""
        self._sweep(session)
        running = sql.select(TrialModel.number, LEASES.c.place).join(LEASES, LEASES.c.trial_id == TrialModel.trial_id)
        mine = (TrialModel.study_id == self.leases.id) & (TrialModel.state == TrialState.RUNNING)
        found = session.execute(running.where(mine).order_by(TrialModel.number)).all()
        unknown = f"whether its process lives is known in {self.lease.total_seconds():.0f} s"
        places = [(number, Place.read(place)) for number, place in found]
        return [(number, f"{place.name} works on it" if place else unknown) for number, place in places]

    def _sweep(self, session: Session) -> None:
        """Let the trials of dead processes wait to be taken up: same number, same settings, from their last epoch."""
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
        """The lease that we keep for whoever began a trial without one: an older version, or another program."""
        ended = left_by_old_version(trial)
        if lease is None or ended is False:
            self.leases.grant(session, int(trial.trial_id), "", ENDED if ended else "")
            lease = session.execute(sql.select(LEASES).where(LEASES.c.trial_id == trial.trial_id)).one()
        return lease

    def _why_free(self, lease: Any, now: Any) -> str | None:
        """Why a lease no longer counts; None where it does."""
        if lease.place == ENDED:
            return "the process that began it has ended"
        if lease.owner in OVER:
            return "the search that began it in this process has ended"
        place = Place.read(lease.place)
        if place is not None and place.gone:
            return f"{place.name} has ended"
        if now - lease.beat > self.lease:
            who = place.name if place else "the process that began it"
            return f"{who} has given no sign of life for {(now - lease.beat).total_seconds():.0f} s"
        return None

    def _renew(self, over: threading.Event) -> None:
        while not over.wait(self.beat):
            with suppress(sql.exc.SQLAlchemyError):  # a database that is busy for a while is no reason to stop training
                self.leases.renew()


def alive(place: str) -> bool:
    """Whether a process is on this machine, and surely lives."""
    where = Place.read(place)
    return where is not None and where.near and not where.gone
