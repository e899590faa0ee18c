"""A database server that is restarted in mid-search: its processes wait until it is back, and go on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from finetune.errors import UserError, first_line
from studies.running.storage import database_file, open_storage

# A process waits this many seconds for the server, and looks for it again after so many.
PATIENCE, AGAIN = 1800.0, 1.0


class Outages:
    """Makes connections while a search runs, and waits where that fails.

    Args:
        engine: Of the database.
        say: Called with a line when the server is away, and when it is back.
        patience: Seconds to wait for it.

    Attributes:
        last: When the server was last away, by the monotonic clock; None if it was not.
    """

    def __init__(self, engine: sql.Engine, say: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.engine, self.say, self.patience = engine, say, patience
        self.last: float | None = None
        self._away, self._lock = False, threading.Lock()

    def connect(self, dialect: Any, record: object, words: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Make a connection, as SQLAlchemy's event ``do_connect``."""
        end = time.monotonic() + self.patience
        while True:
            try:
                made = dialect.connect(*words, **options)
            except dialect.loaded_dbapi.Error as error:
                if time.monotonic() >= end:
                    raise
                self._note(f"the database is away ({first_line(error)}); waiting until it is back", away=True)
                time.sleep(AGAIN)
            else:
                self._note("the database is back", away=False)
                return made

    def recent(self, seconds: float) -> bool:
        """Whether the server was away within so many seconds: what others did not write then says nothing about them."""
        return self.last is not None and time.monotonic() - self.last < seconds

    def _note(self, line: str, away: bool) -> None:
        with self._lock:  # a thread renews the leases
            self.last = time.monotonic() if away or self._away else self.last
            told, self._away = self._away == away, away
        if not told:
            self.say(line)


@contextmanager
def patient(outages: Outages) -> Iterator[None]:
    """While this lasts, connections to a server wait until it is there; a SQLite file has no server."""
    if outages.engine.dialect.name == "sqlite":
        yield
        return
    sql.event.listen(outages.engine, "do_connect", outages.connect)
    try:
        yield
    finally:
        sql.event.remove(outages.engine, "do_connect", outages.connect)


def opened_patiently(url: str, say: Callable[[str], None], patience: float = PATIENCE) -> RDBStorage:
    """Open a database that is known to be there; where its server is away, wait until it is back.

    Raises:
        UserError: It cannot be used, or its server stays away.
    """
    end, told = time.monotonic() + patience, False
    while True:
        try:
            return open_storage(url)
        except UserError as error:
            reason = error.__context__
            away = isinstance(reason, sql.exc.OperationalError) and database_file(url) is None
            if reason is None or not away or time.monotonic() >= end:
                raise
            if not told:
                say(f"the database is away ({first_line(reason)}); waiting until it is back")
            told = True
            time.sleep(AGAIN)


def through_outages(work: Callable[[], None], put_back: Callable[[], None], say: Callable[[str], None]) -> None:
    """Do the work; where a connection broke in the middle of a change, put back what was under way and go on.

    Whether the database took that change is not known. Trials that were put back keep what it took.

    Args:
        work: Goes on from what the database has.
        put_back: Puts back the trials of this process.
        say: Called with a line each time.
    """
    broken = False
    while True:
        try:
            if broken:
                put_back()
            work()
        except (optuna.exceptions.StorageInternalError, sql.exc.SQLAlchemyError) as error:
            if not broke(error):
                raise
            say("the connection to the database broke in the middle of a change: going on from what it has")
            broken = True
        else:
            return


def broke(error: BaseException) -> bool:
    """Whether a connection ended while it was used; Optuna may have gone on with it, which SQLAlchemy refuses."""
    reason = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    return isinstance(reason, PendingRollbackError) or (isinstance(reason, DBAPIError) and reason.connection_invalidated)
