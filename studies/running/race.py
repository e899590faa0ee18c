"""The race for the winner: the best configurations of a search on fresh seeds, half of them fewer in every round."""

import math
from collections.abc import Callable
from statistics import fmean

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from finetune.errors import UserError
from studies.running.stage_runs import LoopRuns, Runs
from studies.running.stages import Stage, run_until

# New seeds in each round: 12 x 1, 6 x 1, 3 x 2, 2 x 3 are 30 runs.
SEEDS = (1, 1, 2, 3)


def rounds(count: int) -> list[tuple[int, int]]:
    """How many configurations stand in each round, and its new seeds.

    Example:
        >>> rounds(12), rounds(3), rounds(1)
        ([(12, 1), (6, 1), (3, 2), (2, 3)], [(3, 1), (2, 3)], [])
    """
    if count < 2:
        return []
    large = zip((count, count // 2, count // 4), SEEDS, strict=False)
    return [*((size, seeds) for size, seeds in large if size > 2), (2, SEEDS[-1])]


def runs_of(count: int) -> int:
    """How many runs a race of so many configurations takes."""
    return sum(size * seeds for size, seeds in rounds(count))


def race(
    stage: Stage,
    storage: RDBStorage,
    runs: Runs | LoopRuns,
    maximize: bool,
    on_finished: Callable[[FrozenTrial], None],
    say: Callable[[str], None],
) -> int:
    """Run the race; the place of the winner among the arms. Arms with equal means keep their order.

    Args:
        stage: The stage, its arms in the order of the search.
        storage: Its database.
        runs: Makes the runs.
        maximize: Whether a higher value is better.
        on_finished: Called with each run of this process.
        say: Called with a line about each round.

    Raises:
        UserError: Every configuration failed.
    """
    standing, order, used = list(range(len(stage.arms))), list[tuple[int, int]](), 0
    for size, seeds in rounds(len(stage.arms)):
        standing = standing[:size]
        order += [(arm, stage.seed(used + more)) for more in range(seeds) for arm in standing]
        run_until(stage, storage, runs, order.__getitem__, len(order), on_finished, say)
        for more in range(seeds):
            runs.forget(stage.seed(used + more))
        used += seeds
        means = {arm: score(stage.values(arm, used), maximize) for arm in standing}
        standing.sort(key=lambda arm: -means[arm])
        if means[standing[0]] == -math.inf:
            raise UserError(f"every configuration of the race failed; the first: {why(stage, standing[0])}")
    return standing[0]


def score(values: list[float | None], maximize: bool) -> float:
    """The mean, the larger the better; the worst there is if a run failed."""
    found = [value for value in values if value is not None]
    if len(found) < len(values) or not found:
        return -math.inf
    return fmean(found) if maximize else -fmean(found)


def why(stage: Stage, arm: int) -> str:
    """Why the last run of an arm failed."""
    return next((str(run.user_attrs.get("failure")) for (each, _), run in stage.runs().items() if each == arm), "unknown")
