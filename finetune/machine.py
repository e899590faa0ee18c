"""The machine that a run has."""


def cores() -> int:
    """CPU cores that this process may use: of the machine's, those that taskset, SLURM or a container leaves it."""
    from joblib import cpu_count  # 0.2 seconds that a refusal need not wait for

    return int(cpu_count())
