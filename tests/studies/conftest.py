import pytest
from helpers import servers
from helpers.worker_processes import close_all

NEEDED = {
    "postgresql": "PostgreSQL's programs (apt-get install postgresql) and the psycopg package",
    "mysql": "MariaDB's programs (apt-get install mariadb-server) and the pymysql package",
}


@pytest.fixture(scope="session")
def postgresql():
    with servers.postgresql() as emptied:
        yield emptied


@pytest.fixture(scope="session")
def mysql():
    with servers.mysql() as emptied:
        yield emptied


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request, tmp_path):
    """The URL of a database that is not there yet (SQLite) or is empty (a server's)."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 's.db'}"
        close_all()
        return
    emptied = request.getfixturevalue(request.param)
    if emptied is None:
        pytest.skip(f"needs {NEEDED[request.param]}")
    yield emptied()
    close_all()
