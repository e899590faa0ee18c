import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from helpers.worker_processes import close_all

VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL of this test run alone, on a socket in a folder of its own; None where there is none to be had."""
    initdb = shutil.which("initdb", path=os.pathsep.join([os.environ["PATH"], *map(str, VERSIONS)]))
    if initdb is None or importlib.util.find_spec("psycopg") is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    # PostgreSQL refuses to run as root.
    other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if other:
        shutil.chown(folder, "postgres")

    def run(program, *arguments):
        command = [*other, str(Path(initdb).with_name(program)), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c timezone=Asia/Tokyo"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    yield folder
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a database that is not there yet (SQLite) or is empty (PostgreSQL)."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 's.db'}"
        close_all()
        return
    server = request.getfixturevalue("server")
    if server is None:
        pytest.skip("needs PostgreSQL's programs (apt-get install postgresql) and the psycopg package")
    import psycopg

    with psycopg.connect(host=str(server), user="postgres", autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield f"postgresql+psycopg://postgres@/postgres?host={server}"
    close_all()
