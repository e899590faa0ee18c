"""The machine on which a run takes place."""

import os


def cores() -> int:
    """CPU cores that this process may use: taskset, SLURM or a container may leave it fewer than the machine has."""
    from joblib import cpu_count  # takes 0.2 seconds to import; a refusal need not wait

    return int(cpu_count())


def all_cores() -> int:
    """CPU cores of the machine, to compare its load with."""
    return os.cpu_count() or 1
