"""Workers on the machines of a Ray cluster: Ray places them, and carries their messages."""

import logging
import os
import queue
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from finetune.arguments import arg
from finetune.errors import UserError, first_line
from finetune.words import counted
from studies.running.storage import database_file, public
from studies.running.workers.local import Local, OnEvent
from studies.running.workers.shares import THREADS

# Seconds that a host waits for an event before it answers.
PATIENCE = 1.0
OPENED = "it is opened on each machine of the cluster, and a file on a shared disk does not stand that"


class Host:
    """Runs a worker on the machine where Ray has placed it.

    Args:
        given: Environment variables.
        folder: The folder of the search.
    """

    def __init__(self, given: Mapping[str, str], folder: str) -> None:
        self.events = queue.SimpleQueue[tuple[Any, ...]]()
        self._passed, self._waiting, self._passing = 0, dict[int, tuple[Any, ...]](), threading.Lock()
        there = os.path.isdir(folder)
        self.worker = Local(given, self.events.put, folder if there else None)
        if not there:
            name = socket.gethostname()
            self.events.put(("unfit", f"{name} has no folder {folder}: the machines of a cluster need a shared one"))
            self.worker.close()

    def send(self, number: int, *message: Any) -> None:
        """Pass a message on, after all those with lower numbers: Ray does not keep their order."""
        with self._passing:
            self._waiting[number] = message
            while self._passed in self._waiting:
                self.worker.send(*self._waiting.pop(self._passed))
                self._passed += 1

    def read(self) -> list[tuple[Any, ...]]:
        """The events since the last call; waits a while for the first."""
        found = list[tuple[Any, ...]]()
        with suppress(queue.Empty):
            found.append(self.events.get(timeout=PATIENCE))
            while True:
                found.append(self.events.get_nowait())
        return found


class OnRay:
    """One worker of a cluster.

    Args:
        cluster: The cluster.
        on_event: Called, in a thread, with every event; the last one is ("gone", why, killed).
    """

    def __init__(self, cluster: "Cluster", on_event: OnEvent) -> None:
        self.ray, self.on_event, self._numbers = cluster.ray, on_event, count()
        self.host = cluster.host()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def send(self, *message: Any) -> None:
        """Send a message."""
        self.host.send.remote(next(self._numbers), *message)

    def close(self) -> None:
        """Tell it to end."""
        self.send("end", b"")

    def join(self, seconds: float) -> bool:
        """Wait until it has ended; returns whether it has."""
        self._listening.join(seconds)
        return not self._listening.is_alive()

    def kill(self) -> None:
        """End it at once."""
        self.ray.kill(self.host)

    def _listen(self) -> None:
        while True:
            try:
                events = self.ray.get(self.host.read.remote())
            except Exception as error:  # Ray's errors: the machine, the host or the cluster is gone
                self.on_event(("gone", first_line(error), True))
                return
            for event in events:
                self.on_event(event)
                if event[0] == "gone":
                    self.ray.kill(self.host)
                    return


class Cluster:
    """The Ray cluster of a search: the one that this machine belongs to, or a new one of this machine alone.

    Args:
        workers: How many workers it will run.
        threads: CPU threads of each.
        url: The database.

    Raises:
        UserError: Ray is not installed or does not start, or the database cannot be shared by its machines.
    """

    def __init__(self, workers: int, threads: int, url: str) -> None:
        try:
            import ray
        except ImportError:
            needed = "pip install -e '.[ray]'"
            raise UserError(f"{arg('launcher', 'ray')} needs Ray, which is not installed: {needed}") from None
        self.ray, self.threads, self.mine = ray, threads, not ray.is_initialized()
        if self.mine:
            try:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
            except Exception as error:
                raise UserError(f"{arg('launcher', 'ray')}: Ray does not start: {first_line(error)}") from None
        machines = [node for node in ray.nodes() if node["Alive"]]
        if len(machines) > 1 and database_file(url) is not None:
            self.close()
            raise UserError(f"{arg('storage', public(url))} with {len(machines)} machines: {OPENED}; give a server's")
        there = ray.cluster_resources()
        self.total, self.gpus = there.get("CPU", 1.0), there.get("GPU", 0.0) / workers
        # Ray starts no worker for which it has no core left.
        self.cores = min(float(threads), self.total / workers)
        self.gpus = 1.0 if self.gpus >= 1 else round(self.gpus, 4)
        where = counted(len(machines), "machine")
        on = f"{counted(workers, 'worker')} of {counted(threads, 'thread')} each, placed by Ray on {where}"
        self.lines = [f"{on} with {self.total:g} cores" + (f" and {there['GPU']:g} GPUs" if "GPU" in there else "")]

    def host(self) -> Any:
        """Have Ray place a worker."""
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        wanted = {"num_cpus": self.cores, "num_gpus": self.gpus, "max_concurrency": 4, "max_restarts": 0}
        made = self.ray.remote(Host).options(**wanted, runtime_env={"env_vars": {"PYTHONPATH": path}})
        return made.remote({THREADS: str(self.threads)}, os.getcwd())

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self.mine:
            self.ray.shutdown()
