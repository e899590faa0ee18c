"""optuna-dashboard on the same storage, on this machine only."""

import socket

from rich.console import Console

from finetune.arguments import arg
from finetune.errors import UserError
from studies.report.terminal import say
from studies.running.storage import existing_storage

HOST = "127.0.0.1"


def serve(url: str, port: int, console: Console) -> None:
    """Serve until Ctrl-C. There is no login, so it listens on this machine only; from another machine, use an ssh tunnel.

    Raises:
        UserError: The database does not exist, or the port is taken.
    """
    storage = existing_storage(url)
    if not 0 < port < 65536:
        raise UserError(f"{arg('port')} is {port}; choose one from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(f"{arg('port', port)} on {HOST}: {error.strerror}; choose another") from None
    from optuna_dashboard import run_server

    say(console, f"dashboard: http://{HOST}:{port}/ (Ctrl-C ends it)")
    say(console, f"from another machine: ssh -L {port}:{HOST}:{port} <this machine>")
    run_server(storage, host=HOST, port=port)
