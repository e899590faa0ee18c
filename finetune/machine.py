"""The machine on which a run takes place."""

import gc
import os
import platform
import sys
from io import TextIOWrapper

# New objects after which Python looks for garbage: its own number, 700, and that of a process that starts.
USUAL, SELDOM = gc.get_threshold()[0], 50_000


def print_any_letter() -> None:
    """Have what is printed contain letters that the terminal's encoding lacks: by their numbers, instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def cores() -> int:
    """CPU cores that this process may use: taskset, SLURM or a container may leave it fewer than the machine has."""
    from joblib import cpu_count  # takes 0.2 seconds to import; a refusal need not wait

    return int(cpu_count())


def seldom_collect() -> None:
    """Let Python hardly look for garbage while a process starts, which must be ours alone.

    Imports make 600,000 objects that stay; looking through them again and again is a quarter of the time until the first
    step.
    """
    if gc.get_threshold()[0] == USUAL:
        gc.set_threshold(SELDOM)


def collect_as_usual() -> None:
    """The process has started: Python looks for garbage as usual.

    Without ``seldom_collect`` nothing changes.
    """
    if gc.get_threshold()[0] == SELDOM:
        gc.set_threshold(USUAL)


def all_cores() -> int:
    """CPU cores of the machine, to compare its load with."""
    return os.cpu_count() or 1


def usual_device() -> str:
    """The kind of device that models are trained on here: "cuda", or "cpu" without a GPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def described() -> str:
    """The machine in words: system, processor, cores that this process may use, and the accelerator, if there is one."""
    import torch

    words = [f"{platform.system()} {platform.machine()}", f"{cores()} cores", f"Python {platform.python_version()}"]
    return ", ".join([*words, *([torch.cuda.get_device_name()] if torch.cuda.is_available() else [])])
