"""optuna-dashboard on the same storage, on this machine only."""

import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage
from rich.console import Console

from finetune.arguments import arg, as_options
from finetune.errors import UserError, first_line
from studies.planning.identity import BASELINE, known_identity
from studies.report.legible import Legible
from studies.report.shown import show, shown_trials
from studies.report.terminal import say
from studies.results.summary import summarise
from studies.running.artifacts import artifact_folder
from studies.running.storage import existing_storage

HOST = "127.0.0.1"
# The names of this machine; a page elsewhere that reaches the server under a name of its own gets nothing.
NAMES = (HOST, "localhost", "::1")
# An artifact that a browser opens runs nothing and reaches nothing, whatever kind of file it is.
POLICY = "sandbox; default-src 'none'; img-src 'self'"
HARMLESS = [("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff")]

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]


def serve(url: str, port: int, console: Console, out: str = "runs") -> None:
    """Serve until Ctrl-C. There is no login, so it listens on this machine only; from another machine, use an ssh tunnel.

    Args:
        url: URL of the database.
        port: The port on 127.0.0.1.
        console: Where to print.
        out: The folder for results that the searches used: the studies' artifacts are in it.

    Raises:
        UserError: The database does not exist, or the port is taken.
    """
    storage = existing_storage(url, Legible)
    if not 0 < port < 65536:
        raise UserError(f"{arg('port')} is {port}; choose one from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(f"{arg('port', port)} on {HOST}: {error.strerror}; choose another") from None
    folder = artifact_folder(out)
    for line in caught_up(storage, folder):
        say(console, line)
    say(console, f"dashboard: http://{HOST}:{port}/ (Ctrl-C ends it)")
    say(console, f"from another machine: ssh -L {port}:{HOST}:{port} <this machine>")
    with make_server(HOST, port, application(storage, folder), Threads, Quiet) as server:
        server.serve_forever()


def application(storage: RDBStorage, folder: Path) -> App:
    """The dashboard of a database, for this machine alone.

    Args:
        storage: The database.
        folder: The folder of the artifacts; without it, the dashboard shows none.
    """
    from optuna_dashboard import wsgi

    store = FileSystemArtifactStore(str(folder)) if folder.is_dir() else None
    inner: App = wsgi(storage, artifact_store=store)

    def guarded(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if hostname(environ) not in NAMES:
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this dashboard answers to this machine's own names only\n"]
        if not environ.get("PATH_INFO", "").startswith("/artifacts/"):
            return inner(environ, start)
        return inner(environ, lambda status, headers, *more: start(status, [*headers, *HARMLESS], *more))

    return guarded


def hostname(environ: dict[str, Any]) -> str | None:
    """The name under which a browser reached the server; None if it says none that can be read."""
    try:
        return urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname
    except ValueError:
        return None


def caught_up(storage: RDBStorage, folder: Path) -> list[str]:
    """Let the dashboard show the studies of older versions, too; lines about those that it cannot show so."""
    lines = []
    for name in sorted(optuna.get_all_study_names(storage)):
        study = optuna.load_study(study_name=name, storage=storage)
        if known_identity(study) is None or BASELINE not in study.user_attrs or shown_trials(study) is not None:
            continue
        try:
            lines += show(summarise(study), storage, as_options, None, folder)
        except Exception as error:  # a damaged or read-only study is shown as it is
            lines.append(f"study {name} is shown without note and figure: {first_line(error)}")
    return lines


class Threads(ThreadingMixIn, WSGIServer):
    """Answers requests side by side: browsers open several connections, and leave some of them idle."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Prints no line for each request."""

    def log_message(self, format: str, *values: Any) -> None:
        pass
