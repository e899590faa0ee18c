"""A call in a process of its own that is forked, so that nothing is imported again: to kill it."""

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import IO


def work(output: int, call: Callable[..., int | None], arguments: tuple[object, ...]) -> None:
    """What the process does; what the call returns is its exit code."""
    sys.stdout = os.fdopen(output, "w", buffering=1)
    sys.exit(call(*arguments))


@contextmanager
def forked(call: Callable[..., int | None], *arguments: object) -> Iterator[tuple[BaseProcess, IO[str]]]:
    """The process and what it prints; waits for its end."""
    read, write = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(write, call, arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch has threads; they hold nothing that the process needs
        process.start()
    os.close(write)
    with os.fdopen(read) as lines:
        yield process, lines
        process.join()
