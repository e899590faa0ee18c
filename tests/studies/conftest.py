import pytest
from helpers import servers
from helpers.worker_processes import close_all

NEEDED = {
    "postgresql": "PostgreSQL's programs (apt-get install postgresql) and the psycopg package",
    "mysql": "MariaDB's programs (apt-get install mariadb-server) and the pymysql package",
}

DATABASES = ["sqlite", "postgresql", "mysql"]


@pytest.fixture(scope="session")
def postgresql():
    with servers.postgresql() as emptied:
        yield emptied


@pytest.fixture(scope="session")
def mysql():
    with servers.mysql() as emptied:
        yield emptied


def database(request, folder, **options):
    """The URL of a database, which is closed in the end."""
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 's.db'}"
    else:
        emptied = request.getfixturevalue(request.param)
        if emptied is None:
            pytest.skip(f"needs {NEEDED[request.param]}")
        yield emptied(**options)
    close_all()


@pytest.fixture(params=DATABASES)
def url(request, tmp_path):
    """The URL of a database that is not there yet (SQLite) or has no rows (a server's)."""
    yield from database(request, tmp_path)


@pytest.fixture(params=DATABASES)
def new_url(request, tmp_path):
    """The URL of a database that is not there yet (SQLite) or has no tables (a server's)."""
    yield from database(request, tmp_path, new=True)
