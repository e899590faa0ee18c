"""A worker: a process that does what the search that started it asks, and reports what happens.

Tasks come as pickles on standard input, events go back as pickles on standard output; what tasks print goes to standard
error. When standard input ends, because the search ends or was killed, the worker puts its trial back and ends too.
"""

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import IO, Any, NoReturn

from finetune.errors import UserError, first_line
from finetune.machine import seldom_collect

# Seconds in which a worker that was told to end puts back its trial; then it ends as it is.
GRACE = 20.0
Task = Callable[["Worker"], None]


class Worker:
    """Does one task after the other.

    Args:
        inbox: Where messages come from.
        outbox: Where events go.

    Attributes:
        kept: What tasks keep for the next ones: data, models, the database.
        ending: What is closed at the end.
        last: Set when no new trial is to begin.
        told: Set when it is to end.
    """

    def __init__(self, inbox: IO[bytes], outbox: IO[bytes]) -> None:
        self.inbox, self.outbox = inbox, outbox
        self.kept: dict[str, Any] = {}
        self.ending = ExitStack()
        self.last, self.told = threading.Event(), threading.Event()
        self._tasks = queue.SimpleQueue[tuple[str, bytes] | None]()
        self._sending = threading.Lock()

    def send(self, *event: Any) -> None:
        """Report an event; one that nobody waits for any more is lost."""
        with self._sending, suppress(OSError, ValueError):
            pickle.dump(event, self.outbox)
            self.outbox.flush()

    def say(self, text: str) -> None:
        """Have a line printed."""
        self.send("say", getattr(text, "text", text))

    def on_epoch(self, trial: Any, epoch: Any) -> None:
        """Report an evaluation of a trial; of clean training if there is none."""
        self.send("epoch", getattr(trial, "number", None), epoch)

    def on_run(self, trial: Any, part: Any, many: int, epoch: Any) -> None:
        """Report an evaluation of one of several runs of a trial."""
        self.send("run", getattr(trial, "number", None), part, many, epoch)

    def on_finished(self, trial: Any) -> None:
        """Report a finished trial."""
        self.send("finished", trial._trial_id)

    def serve(self) -> int:
        """Do tasks until there are no more; returns the exit code."""
        threading.Thread(target=self._listen, daemon=True).start()
        while (message := self._tasks.get()) is not None:
            kind, task = message
            self.last.clear()
            try:
                pickle.loads(task)(self)
            except UserError as error:
                self.send("unfit" if kind == "ready" else "refused", error.text)
                if kind == "ready":
                    return 1
            except Exception as error:
                if kind == "run":  # no trial raises it, so it is a fault of the program
                    traceback.print_exc()
                self.send("unfit", reason_of(error))
                return 1
            else:
                self.send("done", kind)
        return 0

    def _listen(self) -> None:
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while (message := pickle.load(self.inbox))[0] != "end":
                if message[0] == "last":
                    self.last.set()
                else:
                    self._tasks.put(message)
        self.told.set()
        self._tasks.put(None)
        late = threading.Timer(GRACE, os._exit, (1,))
        late.daemon = True
        late.start()
        os.kill(os.getpid(), signal.SIGTERM)  # interrupts what the main thread does


def reason_of(error: BaseException) -> str:
    """An error in one line: its kind, and what it says."""
    kind, text = type(error).__name__, first_line(error)
    return kind if kind == text else f"{kind}: {text}"


def interrupted(number: int, frame: FrameType | None) -> NoReturn:
    """End as on Ctrl-C."""
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Serve the process that started this one."""
    seldom_collect()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the search tells its workers
    signal.signal(signal.SIGTERM, interrupted)
    if hasattr(signal, "SIGHUP"):  # a terminal that is closed ends the search, and then its workers put back their trials
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    worker = Worker(inbox, outbox)
    code, stopped = 0, False
    try:
        code = worker.serve()
    except KeyboardInterrupt:
        stopped = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(Exception):
        worker.ending.close()
    sys.stderr.flush()
    if stopped and not worker.told.is_set():  # somebody else ended it, which is what its exit code says
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    os._exit(code)  # taking the libraries down takes seconds, and nothing is left to be done
