"""The machine that a run has."""

import os


def cores() -> int:
    """CPU cores that this process may use: of the machine's, those that taskset, SLURM or a container leaves it."""
    from joblib import cpu_count  # 0.2 seconds that a refusal need not wait for

    return int(cpu_count())


def all_cores() -> int:
    """CPU cores of the whole machine: its load is that of all of them."""
    return os.cpu_count() or 1
