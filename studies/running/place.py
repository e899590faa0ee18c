"""Where a process runs, and whether one that ran on this machine is gone."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Place:
    """A process among all processes of all machines.

    Args:
        host: The machine's name; containers may share it.
        kernel: Boot of the kernel and namespace of process ids; if both are equal, equal ids mean the same process. Empty if
            unknown.
        pid: Its id.
        started: When it began, in ticks since the boot; ids are reused.
    """

    host: str
    kernel: str
    pid: int
    started: int

    @classmethod
    def here(cls) -> "Place":
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _kernel(), pid, _started(pid) or 0)

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Read what ``str`` wrote; None for any other text."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def name(self) -> str:
        """The process's name in messages."""
        return f"process {self.pid} of {self.host}"

    @property
    def near(self) -> bool:
        """Whether it has the same process ids as this process, so that it can be looked up."""
        return self.host == socket.gethostname() and self.kernel != "" and self.kernel == _kernel()

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended; False if it cannot be looked up from here."""
        if not self.near:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it exists, and belongs to another user
            pass
        try:
            return _started(self.pid) != self.started
        except OSError:  # /proc may hide it
            return False


def _kernel() -> str:
    try:
        return f"{(PROC / 'sys/kernel/random/boot_id').read_text().strip()}/{(PROC / 'self/ns/pid').readlink()}"
    except OSError:  # not Linux: only leases show which process is alive
        return ""


def _started(pid: int) -> int | None:
    """The start of a process; None for one that has ended and waits for its parent to notice."""
    if not PROC.is_dir():
        return None
    state, *fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
