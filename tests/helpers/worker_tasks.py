"""What workers of tests do: they import these functions, so nothing slow is imported here."""

import os
import signal
import time
from pathlib import Path

from finetune.errors import UserError


def tell(worker, name):
    """Say an environment variable."""
    worker.say(f"{name} is {os.environ[name]}")


def chatter(worker):
    """Print, as a user's own loop may; a few words on standard output, without an end of the line, are a line too."""
    print("to the user")
    os.write(2, b"\xff\n")
    print("the end", end="")


def die_once(worker, folder):
    """Be killed, the first time."""
    try:
        (Path(folder) / "died").touch(exist_ok=False)
    except FileExistsError:
        worker.send("did", os.getpid())
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def die(worker, unlucky):
    """Be killed, if it is that worker."""
    if os.environ["NUMBER"] in unlucky:
        os.kill(os.getpid(), signal.SIGKILL)
    worker.send("did", os.environ["NUMBER"])


def refuse(worker, numbers):
    """Fail to get ready, each in its own way."""
    number = os.environ["NUMBER"]
    if number in numbers:
        raise [ModuleNotFoundError("No module named 'gone'"), UserError("it sees no GPU"), MemoryError()][int(number) - 1]


def work(worker):
    """Be of use."""
    worker.send("did", os.environ["NUMBER"])


def sleep(worker):
    """Work for a long time."""
    worker.send("pid", os.getpid())
    time.sleep(600)


def go_on(worker):
    """Work until no more is to begin."""
    worker.send("one")
    worker.last.wait(60)
    worker.send("last" if worker.last.is_set() else "too late")


def nothing(worker):
    """Be ready."""


def where(worker):
    """Say where it works, what lies there, and with how many threads."""
    files = tuple(sorted(path.name for path in Path.cwd().iterdir()))
    worker.send("where", str(Path.cwd()), files, os.environ["OMP_NUM_THREADS"])
