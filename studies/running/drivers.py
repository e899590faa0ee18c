"""Kinds of databases and their Python drivers: what a URL should be, where it cannot be used."""

import re

import sqlalchemy

from finetune.errors import near

# The drivers that are tested here, and the extra that installs each; Python has SQLite's.
USUAL = {"postgresql": ("psycopg", "postgresql"), "mysql": ("pymysql", "mysql"), "mariadb": ("pymysql", "mysql")}
KINDS = ("sqlite", "postgresql", "mysql")


def has_driver(url: str) -> bool:
    """Whether the Python driver of its kind of database is installed."""
    try:
        sqlalchemy.make_url(url).get_dialect().import_dbapi()
    except ImportError:
        return False
    return True


def unknown_told(url: str) -> str:
    """What is wrong with a URL whose kind of database or driver SQLAlchemy does not know."""
    parsed = sqlalchemy.make_url(url)
    kind, driver = parsed.get_backend_name(), parsed.drivername.partition("+")[2]
    if kind in KINDS and driver:
        usual = f"{kind}+{USUAL[kind][0]}" if kind in USUAL else kind
        return f"unknown driver {driver!r}; write {usual}://..."
    return f"unknown kind of database {kind!r}{near(kind, KINDS)}"


def missing_told(url: str) -> str:
    """What to do if the driver of a URL is not installed."""
    parsed = sqlalchemy.make_url(url)
    kind = parsed.get_backend_name()
    if kind not in USUAL:
        return "install the database's Python driver"
    driver, extra = USUAL[kind]
    way, install = f"write {kind}+{driver}://...", f"pip install -e '.[{extra}]'"
    if parsed.drivername == f"{kind}+{driver}":
        return f"install the database's Python driver: {install}"
    return way if has_driver(f"{kind}+{driver}://") else f"install the database's Python driver, or {way} after {install}"


def masked(text: str) -> str:
    """A text that should be a URL, without what may be a password.

    Example:
        >>> masked("postgresql://me:my:secret@word@host:fivefour/studies")
        'postgresql://me:***@host:fivefour/studies'
    """
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", text)
