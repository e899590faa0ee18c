"""What the runs show that take the winner apart: the path from the defaults to the winner, and the corners of a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.results.intervals import bca, mean
from studies.results.signs import numbers, paired
from studies.running.parts import Changed, PartsPlan, path_of, plan_in
from studies.running.stages import Stage

Values = list[float | None]


@dataclass(frozen=True)
class Gain:
    """A mean difference of runs with the same seeds; positive is better.

    Args:
        mean: In the metric's unit; a failed run is the largest difference.
        low, high: The 95 % BCa interval of the mean over seeds.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Step:
    """A configuration on the path.

    Args:
        added: The settings that this step gave the winner's value; empty for the defaults.
        value: Its mean value over seeds; None if every run failed.
        failed: How many of its runs failed.
        gain: Against the step before; None for the defaults.
        from_defaults: Against the defaults; None for the defaults.
        from_clean: Against clean training.
    """

    added: Changed
    value: float | None
    failed: int
    gain: Gain | None
    from_defaults: Gain | None
    from_clean: Gain


@dataclass(frozen=True)
class Pair:
    """Two settings, each with its default or the winner's value; all others have their defaults.

    Args:
        settings: The two.
        found: Whether the search found that they matter together; if not, they are the first two steps.
        values: Mean values of neither, the first alone, the second alone, both; None if every run failed.
        first, second, both: Against the defaults.
        beyond: What both do beyond the sum of each alone.
        over_first, over_second: Both against the first alone, and against the second alone.
    """

    settings: Changed
    found: bool
    values: tuple[float | None, ...]
    first: Gain
    second: Gain
    both: Gain
    beyond: Gain
    over_first: Gain
    over_second: Gain


@dataclass(frozen=True)
class Parts:
    """The winner taken apart.

    Args:
        seeds: How many of the verdict's seeds.
        values: The settings in which the winner differs from the defaults: the default, and the winner's value.
        greedy: Whether each step is the best of all changes that were left; if not, they have the order of importances.
        clean: The mean value of clean training.
        steps: From the defaults to the winner.
        pair: The two settings that matter most together; None if the winner differs in one.
    """

    seeds: int
    values: dict[str, tuple[Any, Any]]
    greedy: bool
    clean: float | None
    steps: list[Step]
    pair: Pair | None

    @property
    def defaults(self) -> Step:
        """The defaults."""
        return self.steps[0]

    @property
    def winner(self) -> Step:
        """The winner."""
        return self.steps[-1]


def parts_of(
    stage: Stage,
    winner: Sequence[float | None],
    clean: Sequence[float | None],
    maximize: bool,
    values: Mapping[str, tuple[Any, Any]],
) -> Parts | None:
    """What the runs of a stage show; None as long as some are missing.

    Args:
        stage: The stage that takes the winner apart.
        winner: Values of the winner in the verdict, by seed.
        clean: Values of clean training in the verdict, by seed.
        maximize: Whether a higher value is better.
        values: The settings in which the winner differs from the defaults: the default, and the winner's value.
    """
    plan = plan_in(stage)
    path, seeds = path_of(stage, plan, maximize), plan.seeds
    if path is None or min(len(winner), len(clean)) < seeds:
        return None
    arms = [*path, *plan.corners(path)]
    runs: dict[Changed, Values] = {arm: stage.values(plan.arms.index(arm), seeds) for arm in arms if arm != plan.names} | {
        plan.names: list(winner[:seeds])
    }
    rest = list(clean[:seeds])

    def against(ours: Values, theirs: Values) -> Gain:
        return gain(numbers(paired(ours, theirs, maximize)))

    steps = [
        Step(
            added=tuple(name for name in arm if name not in before),
            value=mean_of(runs[arm]),
            failed=sum(value is None for value in runs[arm]),
            gain=against(runs[arm], runs[before]) if arm else None,
            from_defaults=against(runs[arm], runs[()]) if arm else None,
            from_clean=against(runs[arm], rest),
        )
        for before, arm in zip([(), *path], path, strict=False)
    ]
    known = {name: values[name] for name in plan.names if name in values}
    return Parts(seeds, known, plan.greedy, mean_of(rest), steps, pair_of(plan, path, runs, maximize))


def pair_of(plan: PartsPlan, path: list[Changed], runs: dict[Changed, Values], maximize: bool) -> Pair | None:
    """The corners of the pair."""
    corners = plan.corners(path)
    if not corners:
        return None
    neither = runs[corners[0]]
    first, second, both = (numbers(paired(runs[corner], neither, maximize)) for corner in corners[1:])
    return Pair(
        settings=corners[3],
        found=plan.pair is not None,
        values=tuple(mean_of(runs[corner]) for corner in corners),
        first=gain(first),
        second=gain(second),
        both=gain(both),
        beyond=gain(both - first - second),
        over_first=gain(both - first),
        over_second=gain(both - second),
    )


def gain(differences: Any) -> Gain:
    """The mean difference with its interval.

    Args:
        differences: Of two or more seeds, without infinite ones.
    """
    ends = bca(differences)
    assert ends is not None
    return Gain(mean(differences), *ends)


def mean_of(values: Values) -> float | None:
    """The mean of the runs that did not fail."""
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None
