"""Which processes are at work in a folder: each leaves a file there while it is, and no process deletes what another uses.

Leases say who works on which trial of one database. Folders may be shared by studies of several databases, and are used
before there is a study.
"""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from studies.running.footprint import named
from studies.running.place import Place
from studies.running.whole import write_whole

MARK = re.compile(r"\.used-by-.*")
# A process of another machine cannot be looked up. Its mark counts for this many seconds.
DAY = 86400.0


@contextmanager
def present(*folders: Path) -> Iterator[None]:
    """Mark the folders as used by this process; folders that are made for that and stay empty go again.

    Raises:
        OSError: A folder cannot be written.
    """
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(_marked(folder))
        yield


@contextmanager
def _marked(folder: Path) -> Iterator[None]:
    users(folder)  # marks of processes that were killed go
    new = [path for path in (folder, folder.parent) if not path.exists()]
    mark = write_whole(folder / f".used-by-{uuid.uuid4()}", str(Place.here()))
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            for path in new:
                path.rmdir()


def users(folder: Path) -> list[str]:
    """The processes that are, or may be, at work in a folder; marks of those that have ended go."""
    found = []
    for mark in named(folder, MARK):
        try:
            place, age = Place.read(mark.read_text(encoding="utf-8")), time.time() - mark.stat().st_mtime
        except (OSError, ValueError):
            continue
        if place is None or place.gone or (not place.near and age > DAY):
            mark.unlink(missing_ok=True)
        else:
            found.append(place.name)
    return found
