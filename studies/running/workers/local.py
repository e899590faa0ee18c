"""A worker as a process of this machine."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

BEGIN = "from studies.running.workers.worker import main; main()"
# A worker's last lines, kept to say why it ended.
LINES = 20
OnEvent = Callable[[tuple[Any, ...]], None]


class Local:
    """One worker.

    Args:
        given: Environment variables that it gets besides this process's own.
        on_event: Called, in a thread, with every event; the last one is ("gone", why, killed).
        folder: Where it runs; None is the folder of this process.
    """

    def __init__(self, given: Mapping[str, str], on_event: OnEvent, folder: str | None = None) -> None:
        self.on_event, self._printed = on_event, deque[str](maxlen=LINES)
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **given}
        pipe = subprocess.PIPE
        command = [sys.executable, "-P", "-c", BEGIN]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=folder)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._inbox = self.process.stdin
        self._reading = threading.Thread(target=self._read_lines, args=(self.process.stderr,), daemon=True)
        self._reading.start()
        self._listening = threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True)
        self._listening.start()

    def send(self, *message: Any) -> None:
        """Send a message; one that has ended gets none."""
        with suppress(OSError, ValueError):
            pickle.dump(message, self._inbox)
            self._inbox.flush()

    def close(self) -> None:
        """Tell it to end."""
        with suppress(OSError):
            self._inbox.close()

    def join(self, seconds: float) -> bool:
        """Wait until it has ended; returns whether it has."""
        self._listening.join(seconds)
        return not self._listening.is_alive()

    def kill(self) -> None:
        """End it as the system would."""
        self.process.kill()
        self._listening.join(1.0)

    def _listen(self, outbox: IO[bytes]) -> None:
        with outbox, suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self.on_event(pickle.load(outbox))
        code = self.process.wait()
        self.close()
        self._reading.join(1.0)
        self.on_event(("gone", why_ended(code, self._printed), code < 0))

    def _read_lines(self, printed: IO[bytes]) -> None:
        with printed:
            for line in printed:
                if text := line.decode(errors="replace").rstrip():
                    self._printed.append(text)
                    self.on_event(("output", text))


def why_ended(code: int, printed: deque[str]) -> str:
    """Why a process ended, in words.

    Args:
        code: Its exit code; if it is negative, the signal that ended it.
        printed: What it printed last.
    """
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return printed[-1] if code and printed else f"exit code {code}"
