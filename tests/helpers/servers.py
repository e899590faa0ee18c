"""Database servers of one test run alone, each on a socket in a folder of its own; None where its programs are missing."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

# Tables with rows of studies: those that say which tables they are keep theirs.
NAMES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_name NOT IN "
    "('alembic_version', 'version_info')"
)
PLACES = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), "/usr/sbin"]


def program(name):
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *PLACES]))


def made_for(user):
    """A new folder, and what makes a command run as its owner: neither server runs as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"{user}-"))
    if os.geteuid():
        return folder, []
    shutil.chown(folder, user)
    return folder, ["runuser", "-u", user, "--"]


@contextmanager
def postgresql(fsync="off"):
    """PostgreSQL; gives what empties it and returns its URL, what stops it for a while, and its folder.

    Tables take far longer to make than rows to delete: they stay, unless a test is about a database without any.
    """
    initdb = program("initdb")
    if initdb is None or importlib.util.find_spec("psycopg") is None:
        yield None
        return
    folder, other = made_for("postgres")

    def run(name, *arguments):
        command = [*other, str(Path(initdb).with_name(name)), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start():
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")

    @contextmanager
    def away():
        run("pg_ctl", "-w", "-m", "fast", "stop")
        yield
        start()

    def emptied(new=False):
        import psycopg

        with psycopg.connect(host=str(folder), user="postgres", autocommit=True) as connection:
            tables = [] if new else connection.execute(NAMES.format("'public'")).fetchall()
            deleted = [f"DELETE FROM {name}" for (name,) in tables]
            unchecked = "SET session_replication_role = replica"
            dropped = ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"]
            connection.execute("; ".join([unchecked, *(deleted or dropped)]))
        return f"postgresql+psycopg://postgres@/postgres?host={folder}"

    run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync={fsync} -c timezone=Asia/Tokyo"
    start()
    emptied.away, emptied.folder = away, folder
    yield emptied
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@contextmanager
def mysql():
    """MariaDB; gives what empties it and returns its URL. Tables stay here, too."""
    server, install = program("mariadbd"), program("mariadb-install-db")
    if server is None or install is None or importlib.util.find_spec("pymysql") is None:
        yield None
        return
    folder, other = made_for("mysql")
    data, socket = folder / "data", folder / "socket"
    # Everyone on this socket is root: it lies in a folder that only we can enter.
    made = [install, f"--datadir={data}", "--auth-root-authentication-method=normal"]
    subprocess.run([*other, *made], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    options = ["--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking"]
    # What it holds is thrown away: nothing has to reach the disk, neither while it runs nor at its end.
    options += ["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", "--innodb-fast-shutdown=2"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*other, server, *options], stdout=log, stderr=log, cwd="/")

    def emptied(new=False):
        import pymysql

        with pymysql.connect(unix_socket=str(socket), user="root", autocommit=True, ssl_disabled=True) as connection:
            cursor = connection.cursor()
            cursor.execute(NAMES.format("'studies'"))
            deleted = [] if new else [f"DELETE FROM studies.{name}" for (name,) in cursor.fetchall()]
            dropped = ["DROP DATABASE IF EXISTS studies", "CREATE DATABASE studies"]
            for statement in ["SET FOREIGN_KEY_CHECKS=0", *(deleted or dropped)]:
                cursor.execute(statement)
        # For a secret connection pymysql would read all certificates of this machine each time.
        return f"mysql+pymysql://root@localhost/studies?unix_socket={socket}&ssl_disabled=1"

    end = time.monotonic() + 60
    while not socket.exists() and time.monotonic() < end:
        time.sleep(0.1)
    yield emptied
    process.terminate()  # a kill would end what runs it under another name, and not the server
    process.wait()
    shutil.rmtree(folder)
