"""What libraries do again and again for every test is done once; what they answer is the same."""

import os
import sqlite3
import traceback
from contextlib import closing, suppress
from functools import cache
from types import SimpleNamespace

import plotly.basedatatypes
import plotly.io
import plotly.offline
import scipy.linalg  # noqa: F401  its BLAS is another one than NumPy's
import torch
import typer.main
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from optuna.storages._rdb.storage import _VersionManager
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as SQLite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache
from threadpoolctl import threadpool_limits

from studies.report.drawing import template


def make_libraries_cheap():
    """Once, before tests are collected."""
    seed_without_stacks()
    read_migrations_once()
    read_paths_once()
    read_plotly_once()
    draw_without_plotlys_looks()
    read_options_once()
    compile_statements_once()
    make_databases_without_waiting()
    make_tables_once()
    multiply_on_one_core()


def seed_without_stacks():
    """Let seeds wait for accelerators that have not begun without the printed stacks of who gave them.

    ``torch.manual_seed`` prints three of them, which takes up to a millisecond under pytest.
    """
    without = SimpleNamespace(**vars(traceback) | {"format_stack": list})
    for accelerator in (torch.cuda, torch.xpu, torch.mtia):
        accelerator.traceback = without


def read_migrations_once():
    """Let Optuna read the folder of its migrations once in a process, not for every database that is opened.

    The folder is that of the package; a database's URL is used for upgrades alone, which do not ask this way.
    """
    read, found = _VersionManager._create_alembic_script, []

    def once(manager):
        if not found:
            found.append(read(manager))
        return found[0]

    _VersionManager._create_alembic_script = once


def read_paths_once():
    """Let plotly read "xaxis.title.text" once: it takes a path apart whenever a figure is touched, a fifth of a report."""
    plotly.basedatatypes._str_to_dict_path_full = cache(plotly.basedatatypes._str_to_dict_path_full)


def read_plotly_once():
    """Let plotly read its script once, five megabytes for every report."""
    plotly.offline.get_plotlyjs = cache(plotly.offline.get_plotlyjs)


def draw_without_plotlys_looks():
    """Let a figure begin without plotly's own template, which is copied and checked: ours, made from it, replaces it.

    In a file it stands at another place of the layout.
    """
    template()
    plotly.io.templates.default = None


def read_options_once():
    """Let Typer read the functions of the command line once, not whenever a command is run."""
    typer.main.get_command = cache(typer.main.get_command)


def compile_statements_once():
    """Let SQLAlchemy compile a statement once for all SQLite databases: it does so for every database that is opened."""
    compiled, begin = LRUCache(5000), Engine.__init__

    def begun(engine, pool, dialect, *args, **options):
        begin(engine, pool, dialect, *args, **options)
        if isinstance(dialect, SQLite):
            engine._compiled_cache = compiled

    Engine.__init__ = begun
    SQLite.__eq__, SQLite.__hash__ = lambda one, other: type(one) is type(other), lambda one: hash(type(one))


def make_databases_without_waiting():
    """Let SQLite not wait until the disk has what was written, until a storage of ours says otherwise.

    A new database waits fifty times, a tenth of a second; what is killed here is a process, and power stays on.
    """

    @event.listens_for(Engine, "connect")
    def hurry(connection, record):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")


def make_tables_once():
    """Let Optuna make the tables of a SQLite database once in a process: those of a new one are copies, with its version."""
    make = BaseModel.metadata.create_all

    @cache
    def tables():
        source = RDBStorage("sqlite://")
        made = source.engine.raw_connection().dbapi_connection.serialize()
        source.engine.dispose()
        return made

    def copied(engine):
        if engine.dialect.name == "sqlite" and engine.url.database:
            with engine.connect() as connection, closing(sqlite3.connect(":memory:")) as source, suppress(sqlite3.Error):
                target = connection.connection.dbapi_connection
                if target.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                    source.deserialize(tables())
                    source.backup(target)
                    return
        make(engine)  # it also says what is wrong

    BaseModel.metadata.create_all = copied


def multiply_on_one_core():
    """Let BLAS have one thread: there is a worker for each core, and threads of small products wait for each other.

    A test of importances took two and a half times the processor's time with two.
    """
    for library in ("OPENBLAS", "OMP"):  # for the processes that a test starts
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    threadpool_limits(1, user_api="blas")
