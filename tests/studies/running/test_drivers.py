"""What a URL should be whose driver is not there."""

import re
import sys

import pytest

from finetune.errors import UserError
from studies.running import drivers
from studies.running.storage import refuse_storage


@pytest.mark.parametrize(
    ("url", "gone", "way"),
    [
        ("postgresql+psycopg2://host/x", "psycopg2", "write postgresql+psycopg://..."),
        ("postgresql+asyncpg://host/x", "asyncpg", "write postgresql+psycopg://..."),
        ("mysql://host/x", "MySQLdb", "write mysql+pymysql://..."),
        ("postgresql+psycopg://host/x", "psycopg", "install the database's Python driver: pip install -e '.[postgresql]'"),
        ("mysql+pymysql://host/x", "pymysql", "install the database's Python driver: pip install -e '.[mysql]'"),
    ],
)
def test_which_driver_a_server_needs(url, gone, way, monkeypatch):
    monkeypatch.setitem(sys.modules, gone, None)  # as if it were not installed
    pytest.importorskip("psycopg" if gone in ("psycopg2", "asyncpg") else "pymysql" if gone == "MySQLdb" else "sqlalchemy")
    with pytest.raises(UserError, match=re.escape(way) + "$"):
        refuse_storage(url)


def test_a_driver_that_nothing_knows_is_named():
    said = drivers.unknown_told("postgresql+psycopgg://host/name")
    assert said == "unknown driver 'psycopgg'; write postgresql+psycopg://..."
