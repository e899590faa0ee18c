"""The database: opened fast and safe, with errors that a user can act on."""

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.errors import UserError, first_line, near
from finetune.words import choices
from studies.running.drivers import has_driver, masked, missing_told, unknown_told

# SQLite waits this long for another process's lock, instead of failing with "database is locked".
WAIT_SECONDS = 60
# A process keeps one connection: the usual 15 exhaust a usual server with 7 processes. For moments it may have four: a
# thread that reads within a transaction has two, and one that waits for that transaction must not keep it from the second.
SERVER = {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 3, "pool_timeout": WAIT_SECONDS}
# Key of the lock while tables are created on a server: any number that no other program uses.
SCHEMA_KEY = 5_270_915
NAMED = "SELECT GET_LOCK(CONCAT('advsearch ', :key), 60)"
LOCKS = {"postgresql": "SELECT pg_advisory_lock(:key)", "mysql": NAMED, "mariadb": NAMED}
# The user attribute of a stage of a confirmation: whose it is, and which.
LINK = "stage"
EXAMPLE = "write for example sqlite:///studies.db"
ELSEWHERE = f"choose another {arg('storage')}"
CROWDED = "every process takes one connection: let the server take more, or start fewer"
HINTS = {
    "is full": "free some space and run the same command again",
    "malformed": f"it is damaged: restore a copy of it, or {ELSEWHERE}",
    "not a database": ELSEWHERE,
    "readonly": f"make it and its folder writable, or {ELSEWHERE}",
    "too many clients": CROWDED,
    "Too many connections": CROWDED,
    "permission denied for schema": f"make its user the owner of the database (createdb --owner), or {ELSEWHERE}",
    "unable to open": f"make its folder writable, or {ELSEWHERE}",
}


def open_storage(url: str, kind: type[RDBStorage] = RDBStorage) -> RDBStorage:
    """Open or create the database.

    SQLite runs with a write-ahead log and ``synchronous=NORMAL`` (4 to 5 times faster than the default, and safe if the
    program crashes). Other databases check a connection before they use it, so that a server may restart.

    Args:
        url: Its URL.
        kind: The class to open it with.

    Raises:
        UserError: The URL is wrong, or the database is damaged, newer, or cannot be reached or written.
    """
    sqlite = database_file(url) is not None
    options: dict[str, Any] = {"connect_args": {"timeout": WAIT_SECONDS}} if sqlite else {**SERVER}
    with storage_errors(url):
        if whole(url):
            storage = kind(url, engine_kwargs=options)
        else:
            with schema_lock(url):
                storage = kind(url, engine_kwargs=options)
        if sqlite:
            sqlalchemy.event.listen(storage.engine, "connect", _tune_sqlite)
            storage.engine.dispose()
            with storage.engine.connect():
                pass
    return storage


def whole(url: str) -> bool:
    """Whether a SQLite database has all of Optuna's tables; False for a server's, where some may be missing."""
    file = database_file(url)
    if file is None or not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT version_num FROM alembic_version").fetchone() is not None
    except sqlite3.Error:
        return False


@contextmanager
def schema_lock(url: str) -> Iterator[None]:
    """Create tables while no other process does: Optuna looks first, then creates them, so two processes at once fail.

    A server has locks; a SQLite file gets a lock file next to it while its tables are created.
    """
    file = database_file(url)
    if file is not None:
        lock = FileLock(f"{file}.lock", timeout=WAIT_SECONDS)
        try:
            with suppress(OSError):  # then the database cannot be created either, and says why
                Path(lock.lock_file).touch()  # the lock itself would retry until its time is up
                lock.acquire()
            yield
        finally:
            lock.release()
            # A process that waits for the deleted file finds all tables created.
            with suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
        return
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    statement = LOCKS.get(engine.dialect.name)
    with engine.connect() as connection:  # closing it frees the lock
        if statement:
            connection.execute(sqlalchemy.text(statement), {"key": SCHEMA_KEY})
        yield


def close_storage(storage: RDBStorage) -> None:
    """Close the connections; the last one merges a SQLite file's write-ahead log into it."""
    storage.remove_session()
    storage.engine.dispose()


def database_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for a server's.

    Raises:
        UserError: It is not a URL, or such a file cannot exist.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise UserError(f"{arg('storage')} {masked(url)!r} is not a URL; {EXAMPLE}") from None
    if parsed.get_backend_name() != "sqlite":
        return None
    if parsed.database in (None, "", ":memory:"):
        raise UserError(f"{arg('storage', url)}: a database in memory is lost with the program; {EXAMPLE}")
    file = Path(str(parsed.database))
    if file.is_dir():
        raise UserError(f"{arg('storage', url)}: {file} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise UserError(f"{arg('storage', url)}: there is no folder {file.parent}")
    return file


def refuse_storage(url: str) -> None:
    """Refuse a URL that cannot work, before anything is read and without connecting.

    Raises:
        UserError: The URL is wrong, or a server's driver is not installed.
    """
    if database_file(url) is None:
        with storage_errors(url):
            sqlalchemy.create_engine(url).dispose()


def is_sqlite(file: Path) -> bool:
    """Whether a file is a SQLite database, by how it begins; opening an empty file would make one of it."""
    with file.open("rb") as content:
        return content.read(16) == b"SQLite format 3\x00"


def is_new(url: str) -> bool:
    """Whether a SQLite file does not exist yet; False for a server's database, which may exist."""
    file = database_file(url)
    return file is not None and not file.exists()


def public(url: str) -> str:
    """The URL without its password."""
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)


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
    except sqlalchemy.exc.NoSuchModuleError:
        raise UserError(f"{arg('storage', public(url))}: {unknown_told(url)}") from None
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        if isinstance(error, ImportError) and has_driver(url):
            raise
        reason = first_line(error.__cause__ or error)
        raise UserError(f"{arg('storage', public(url))}: {reason}; {missing_told(url)}") from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "storage" not in str(error) and "optuna" not in str(error).lower():
            raise
        reason = first_line(error.__cause__ or error)
        hint = next((f"; {hint}" for words, hint in HINTS.items() if words in reason), "")
        raise UserError(f"{arg('storage', public(url))} cannot be used: {reason}{hint}") from None


def existing_storage(url: str, kind: type[RDBStorage] = RDBStorage) -> RDBStorage:
    """Open an existing database, with a class of storages.

    Raises:
        UserError: It does not exist, or cannot be used.
    """
    file = database_file(url)
    if file is not None and not file.exists():
        raise UserError(f"{arg('storage', url)}: there is no such database; a search creates it")
    return open_storage(url, kind)


def holds_none(url: str) -> str:
    """The message for a database without studies."""
    return f"{arg('storage', public(url))} has no studies yet; a search creates one"


def load_study(url: str, name: str | None) -> optuna.Study:
    """Load an existing study; without a name, the only one. Its database is closed when the study is no longer used.

    Raises:
        UserError: There is no such study, or the name is needed; the message lists names.
    """
    return opened(url, name)[0]


def opened(url: str, name: str | None) -> tuple[optuna.Study, RDBStorage]:
    """The study that ``load_study`` loads, and its database.

    Raises:
        UserError: As ``load_study``.
    """
    storage = existing_storage(url)
    try:
        with storage_errors(url):
            found = optuna.load_study(study_name=chosen_name(storage, url, name), storage=storage)
    except BaseException:
        close_storage(storage)
        raise
    close_with(found, storage)
    return found, storage


def has_study(storage: Any, name: str) -> bool:
    """Whether there is a study of that name; the others and their attributes are not read."""
    try:
        number = storage.get_study_id_from_name(name)
    except KeyError:
        return False
    return bool(storage.get_study_name_from_id(number) == name)  # some servers take "A" for "a"


def stage_of(storage: Any, name: str) -> str | None:
    """The study whose confirmation this study is a stage of; None if it is no stage, or there is no such study."""
    if not has_study(storage, name):
        return None
    found = storage.get_study_user_attrs(storage.get_study_id_from_name(name)).get(LINK)
    return str(found["of"]) if isinstance(found, dict) and "of" in found else None


def searched_names(storage: Any) -> list[str]:
    """The names of all studies that are no stages of a confirmation."""
    names = optuna.get_all_study_names(storage)
    return [name for name in names if name.rpartition(".")[0] not in names or stage_of(storage, name) is None]


def chosen_name(storage: RDBStorage, url: str, name: str | None) -> str:
    """The name of an existing study.

    Raises:
        UserError: There is no such study, or the name is needed; the message lists names.
    """
    names = searched_names(storage)
    if name is not None and (of := stage_of(storage, name)) is not None:
        raise UserError(f"{name!r} is a part of the confirmation of study {of!r}: give {arg('study', of)}")
    if not names:
        raise UserError(holds_none(url))
    if name is None and len(names) > 1:
        raise UserError(f"{arg('study')} is needed: {public(url)} has {choices(names)}")
    chosen = names[0] if name is None else name
    if chosen not in names:
        raise UserError(f"there is no study {chosen!r} in {public(url)}{near(chosen, names)}")
    return chosen


def close_with(study: optuna.Study, storage: RDBStorage) -> None:
    """Close the connections of a database when the study is no longer used, at the latest when the program ends.

    Only idle connections are closed: another study may be using the same database.
    """
    weakref.finalize(study, storage.engine.dispose)
