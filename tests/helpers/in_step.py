"""In a fresh clone one worker compiles what tests import, and the others read it: compiling is two thirds of collecting."""

import sys
import tempfile
import time
from importlib.util import cache_from_source, find_spec
from pathlib import Path

# A worker waits for the first one so many seconds at most, all in all; then it compiles for itself.
PATIENCE = 120


def steps_file():
    """A file with a byte for each step of the first worker, for as long as it is held; None if libraries are compiled."""
    compiled = Path(cache_from_source(find_spec("torch").origin)).exists()
    return None if compiled or sys.dont_write_bytecode else tempfile.NamedTemporaryFile()


class InStep:
    """Steps of one worker, each taken after the first worker has taken it.

    Args:
        file: Of ``steps_file``; None if nothing is to be waited for.
        leads: Whether this is the first worker.
    """

    def __init__(self, file, leads):
        self.file, self.leads = file and Path(file), leads
        self.steps, self.until = 0, time.monotonic() + PATIENCE

    def wait(self):
        """Until the step that comes next may be taken."""
        if self.file and not self.leads:
            while self.file.exists() and self.file.stat().st_size <= self.steps and time.monotonic() < self.until:
                time.sleep(0.01)

    def take(self):
        """One step more."""
        self.steps += 1
        if self.file and self.leads:
            with self.file.open("ab") as file:
                file.write(b".")
