"""The machine on which a run takes place."""

import os
import platform


def cores() -> int:
    """CPU cores that this process may use: taskset, SLURM or a container may leave it fewer than the machine has."""
    from joblib import cpu_count  # takes 0.2 seconds to import; a refusal need not wait

    return int(cpu_count())


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
