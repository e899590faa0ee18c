"""Workers without processes of their own: they do a task when they are told, and share nothing but what they are sent."""

import io
import pickle
from typing import ClassVar

from studies.running.workers.worker import Worker


class InProcess:
    """One worker, in place of ``Local``."""

    made: ClassVar = []

    def __init__(self, given, on_event):
        self.given, self.on_event, self.ended = given, on_event, False
        self.worker = Worker(io.BytesIO(), io.BytesIO())
        self.worker.send = lambda *event: on_event(event)
        self.made.append(self)

    def send(self, kind, task):
        if kind == "last":
            self.worker.last.set()
            return
        self.worker.last.clear()
        pickle.loads(task)(self.worker)
        self.on_event(("done", kind))

    def close(self):
        self.worker.ending.close()
        self.ended = True

    def join(self, seconds):
        return True

    def kill(self):
        raise AssertionError("it ends when it is told")
