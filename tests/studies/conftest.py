import pytest
from helpers import servers
from helpers.worker_processes import OPENED, close_all, found, opened, value

from studies.running.loop import run_trials
from studies.running.storage import close_storage

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


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """The trials of a search of 16 in one process; one of fewer makes the first of them."""
    url = f"sqlite:///{tmp_path_factory.mktemp('alone') / 's.db'}"
    study, storage, options = opened(url, 16)
    run_trials(study, storage, value, options)
    trials = found(url)
    close_storage(OPENED.pop(url))
    return trials
