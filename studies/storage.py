"""The database: opened fast and safe, with errors that a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from finetune.errors import UserError, first_line, near

# SQLite waits this long for another process's lock, instead of failing with "database is locked".
WAIT_SECONDS = 60
SQLITE = "sqlite:///"


def open_storage(url: str) -> RDBStorage:
    """Open or make the database.

    SQLite runs with a write-ahead log and ``synchronous=NORMAL`` (4 to 5 times faster than stock, and safe against a
    crash of the program); others check a connection before they use it, so that a server may restart.

    Raises:
        UserError: The URL is wrong, or the database is damaged, newer, or cannot be reached or written.
    """
    if "://" not in url:
        raise UserError(f"--storage {url!r} is no URL; write for example sqlite:///studies.db")
    sqlite = url.startswith("sqlite")
    if sqlite and url.removeprefix(SQLITE):
        folder = Path(url.removeprefix(SQLITE)).parent
        if not folder.is_dir():
            raise UserError(f"--storage {url}: there is no folder {folder}")
    options: dict[str, Any] = {"connect_args": {"timeout": WAIT_SECONDS}} if sqlite else {"pool_pre_ping": True}
    with storage_errors(url):
        storage = RDBStorage(url, engine_kwargs=options)
        if sqlite:
            sqlalchemy.event.listen(storage.engine, "connect", _tune_sqlite)
            storage.engine.dispose()
            with storage.engine.connect():
                pass
    return storage


def _tune_sqlite(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn database errors into one line that says what to do.

    Raises:
        UserError: The database failed.
    """
    try:
        yield
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise UserError(f"--storage {url}: {first_line(error)}") from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "storage" not in str(error) and "optuna" not in str(error).lower():
            raise
        cause = error.__cause__ or error
        raise UserError(f"--storage {url} cannot be used: {first_line(cause)}") from None


def existing_storage(url: str) -> RDBStorage:
    """A database that is there.

    Raises:
        UserError: It is not, or cannot be used.
    """
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise UserError(f"--storage {url}: there is no such database; a search makes it")
    return open_storage(url)


def load_study(url: str, name: str | None) -> optuna.Study:
    """An existing study; without a name the only one there is.

    Raises:
        UserError: There is none of that name; lists near ones.
    """
    storage = existing_storage(url)
    with storage_errors(url):
        names = optuna.get_all_study_names(storage)
        if not names:
            raise UserError(f"--storage {url} holds no study yet")
        if name is None and len(names) > 1:
            raise UserError(f"--study is needed: {url} holds {', '.join(sorted(names))}")
        chosen = names[0] if name is None else name
        if chosen not in names:
            raise UserError(f"there is no study {chosen!r} in {url}{near(chosen, names)}")
        return optuna.load_study(study_name=chosen, storage=storage)
