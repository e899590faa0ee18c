"""The winner taken apart: which configurations between the defaults and the winner are run, and in which order.

The path goes from the defaults to the winner, one setting at a time. Each step tries every change that is left and keeps the
best (Fawcett and Hoos 2016, "Analysing differences between algorithm configurations through ablation").
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from studies.running.race import score
from studies.running.stage_runs import LoopRuns, Runs
from studies.running.stages import Stage, run_until

# The user attribute with the plan.
PLAN = "plan"
# With more settings, all changes of each step are too many runs.
MOST = 5
# The settings that have the winner's value, in the plan's order; the others have their defaults.
Changed = tuple[str, ...]


@dataclass(frozen=True)
class PartsPlan:
    """What is run; it is written once.

    Args:
        names: The settings in which the winner differs from the defaults.
        seeds: How many of the verdict's seeds are taken.
        greedy: Whether each step takes the best of all changes; if not, settings change in the order of ``names``.
        arms: The configurations that may be run.
        pair: The two settings whose corners are wanted; None takes those of the first two steps.
    """

    names: Changed
    seeds: int
    greedy: bool
    arms: list[Changed]
    pair: Changed | None = None

    def further(self, changed: Changed) -> list[Changed]:
        """The configurations one step further. Where none of them is allowed, the step goes to the winner."""
        left = [name for name in self.names if name not in changed]
        if self.greedy:
            next_ones = [self.ordered(*changed, name) for name in left]
            return [each for each in next_ones if self.allowed(each)] or [self.names]
        return [next(each for n in range(len(left)) if self.allowed(each := self.ordered(*changed, *left[: n + 1])))]

    def ordered(self, *names: str) -> Changed:
        """The names in the plan's order."""
        return tuple(name for name in self.names if name in names)

    def allowed(self, changed: Changed) -> bool:
        """Whether a configuration can be run, or is the winner, which was."""
        return changed in self.arms or changed == self.names

    def corners(self, path: Sequence[Changed]) -> list[Changed]:
        """Neither of a pair, the first alone, the second alone, both; empty without a pair that can be run."""
        pair = self.pair
        if pair is None and len(path) > 2 and len(path[2]) == 2:
            pair = path[2]
        if pair is None:
            return []
        first, second = self.ordered(*pair)
        found: list[Changed] = [(), (first,), (second,), (first, second)]
        return found if all(map(self.allowed, found)) else []

    @property
    def most(self) -> int:
        """How many runs it takes at most."""
        count = len(self.names)
        extra = int(self.pair is not None and count > 2)
        arms = count * (count + 1) // 2 + extra if self.greedy else len(self.arms)
        return min(arms, len(self.arms)) * self.seeds


def plan_in(stage: Stage) -> PartsPlan:
    """The plan of a stage."""
    return plan_from(stage.study.user_attrs[PLAN])


def plan_from(stored: dict[str, Any]) -> PartsPlan:
    """A plan as it was stored."""
    pair = stored["pair"]
    tuples = {"names": tuple(stored["names"]), "arms": [tuple(arm) for arm in stored["arms"]]}
    return PartsPlan(**stored | tuples | {"pair": None if pair is None else tuple(pair)})


def walk(plan: PartsPlan, score: Callable[[Changed], float]) -> Generator[list[Changed], None, list[Changed]]:
    """Walk the path: yields the configurations to run next, and returns the path.

    Args:
        plan: The plan.
        score: The larger, the better; only configurations that were yielded are asked for. Equal ones keep their order.
    """
    made, path = {plan.names}, list[Changed]([()])

    def new(wanted: list[Changed]) -> list[Changed]:
        found = [each for each in wanted if each not in made]
        made.update(found)
        return found

    while path[-1] != plan.names:
        further = plan.further(path[-1])
        yield new([(), *further])
        path.append(further[0] if len(further) == 1 else max(further, key=score))
    yield new(plan.corners(path))
    return path


def follow(
    plan: PartsPlan, score: Callable[[Changed], float], ready: Callable[[list[Changed]], bool]
) -> list[Changed] | None:
    """The path; None if a round is not ready."""
    rounds = walk(plan, score)
    try:
        while ready(next(rounds)):
            pass
    except StopIteration as end:
        return list(end.value)
    return None


def path_of(stage: Stage, plan: PartsPlan, maximize: bool) -> list[Changed] | None:
    """The path that the finished runs show; None if runs are missing."""

    def ready(arms: list[Changed]) -> bool:
        return all(len(stage.values(plan.arms.index(arm), plan.seeds)) == plan.seeds for arm in arms)

    return follow(plan, lambda arm: score(stage.values(plan.arms.index(arm), plan.seeds), maximize), ready)


def run_parts(
    stage: Stage,
    plan: PartsPlan,
    storage: RDBStorage,
    runs: Runs | LoopRuns,
    maximize: bool,
    on_finished: Callable[[FrozenTrial], None],
    say: Callable[[str], None],
) -> None:
    """Make the runs that are missing: all configurations of a round on one seed before the next seed.

    Args:
        stage: The stage; its arms are those of the plan.
        plan: The plan.
        storage: Its database.
        runs: Makes the runs.
        maximize: Whether a higher value is better.
        on_finished: Called with each run of this process.
        say: Called with a line about runs of other processes.
    """
    order = list[tuple[int, int]]()

    def run(arms: list[Changed]) -> bool:
        seeds = [stage.seed(index) for index in range(plan.seeds)]
        order.extend((plan.arms.index(arm), seed) for seed in seeds for arm in arms)
        run_until(stage, storage, runs, order.__getitem__, len(order), on_finished, say)
        for seed in seeds:
            runs.forget(seed)
        return True

    follow(plan, lambda arm: score(stage.values(plan.arms.index(arm), plan.seeds), maximize), run)
