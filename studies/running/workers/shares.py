"""What each worker gets of the machine: threads, and a GPU where there are some."""

import os

from finetune.arguments import arg
from finetune.machine import cores
from finetune.words import counted

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS"


def cards() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    count, named = torch.cuda.device_count(), os.environ.get(VISIBLE)
    names = [str(number) for number in range(count)] if named is None else [name.strip() for name in named.split(",")]
    return names[:count]


def threads_of_own_loop(workers: int) -> int:
    """The threads of a worker whose loop is the user's: what the environment says, or its share of the cores."""
    said = os.environ.get(THREADS, "")
    return int(said) if said.isdecimal() and int(said) else max(1, cores() // workers)


def share(number: int, threads: int, visible: list[str]) -> dict[str, str]:
    """The environment of a worker.

    Args:
        number: Its number, from 1.
        threads: How many threads it computes with.
        visible: The GPUs of all workers; each worker sees one.

    Example:
        >>> share(3, 2, ["4", "7"])
        {'OMP_NUM_THREADS': '2', 'CUDA_VISIBLE_DEVICES': '4'}
    """
    card = {VISIBLE: visible[(number - 1) % len(visible)]} if visible else {}
    return {THREADS: str(threads)} | card


def at_once(workers: int, threads: int, there: float) -> int:
    """How many workers compute at full speed at once.

    Args:
        workers: How many there are.
        threads: Threads of each.
        there: Cores of the machine, or of the cluster.

    Example:
        >>> at_once(2, 1, 4), at_once(4, 1, 2), at_once(4, 2, 3), at_once(2, 4, 2)
        (2, 2, 1, 1)
    """
    return min(workers, max(1, int(there) // threads))


def fewer_told(asked: int, enough: int) -> str:
    """A line about workers that are not started."""
    verb = "is" if enough == 1 else "are"
    return f"{arg('workers', asked)}: {enough} {verb} started, as no more than {counted(enough, 'run')} {verb} left"


def shares_told(workers: int, threads: int, visible: list[str]) -> list[str]:
    """Lines about how the machine is divided.

    Args:
        workers: How many workers.
        threads: Threads of each.
        visible: The GPUs.
    """
    many, here = counted(workers, "worker"), cores()
    if visible:
        each = "each with a GPU of its own" if workers <= len(visible) else f"sharing {counted(len(visible), 'GPU')}"
        return [f"{many}, {each}"]
    line = f"{many} of {counted(threads, 'thread')} each, on {counted(here, 'core')}"
    if workers * threads > here:
        few = max(1, here // workers)
        fewer = arg("workers", max(1, here // threads))
        way = fewer if threads <= few else f"{arg('threads', few)} in a new study, or {fewer}"
        line += f": more threads than cores are slower, not faster; {way}"
    return [line]
