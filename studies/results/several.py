"""Studies of several methods on the same data, side by side: each with its best trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from adv import METHODS
from adv.core.method import Method
from adv.core.site import SiteMethod
from adv.steps.weights import WeightMethod
from studies.results.digits import gained
from studies.results.folded import seeds_told
from studies.results.summary import Summary, parted
from studies.results.trials import complete

# Controls, and the kinds of step that they are controls for.
CONTROLS: dict[str, type[Method]] = {"random_weights": WeightMethod, "random": SiteMethod}


@dataclass(frozen=True)
class Row:
    """One method.

    Args:
        method: Its name.
        summary: Summary of its study.
        control: The name of its control, if that was searched too and has a complete trial.
        beside: How much better its best trial is than its control's; None if there is nothing to compare.
        seconds: Median seconds of a complete trial; None if there is none.
        passes: Cost of a step at the best settings, in clean steps; None if no trial is complete.
    """

    method: str
    summary: Summary
    control: str | None
    beside: float | None
    seconds: float | None
    passes: float | None

    @property
    def value(self) -> float | None:
        """The value of the best trial."""
        return None if self.summary.best is None else self.summary.best.value


@dataclass(frozen=True)
class Several:
    """Methods, the best first.

    Args:
        rows: One row for each method; methods without a complete trial come last.
        first: Summary of the study that was searched first, for what all studies share.
    """

    rows: list[Row]
    first: Summary

    @property
    def seconds(self) -> float:
        """Seconds of clean training."""
        return sum(epoch.seconds for epoch in self.first.baseline)

    @property
    def remarks(self) -> list[str]:
        """How far the table can be trusted."""
        seeds, luck = seeds_told(self.first), "a part of every gain is luck, small differences are noise"
        lines = [f"{seeds[0].upper()}{seeds[1:]}, and the best trial of each method: {luck}."]
        lines += [f"{line[0].upper()}{line[1:]}." for line in [self.first.clean_unlearned] if line]
        beaten = [row.method for row in self.rows if row.beside is not None and row.beside <= 0]
        if beaten:
            lines.append(f"Not better than the best trial of their control, a random direction: {', '.join(beaten)}.")
        told = dict.fromkeys(row.summary.shown(row.summary.clean) for row in self.rows)
        if len(told) > 1:
            each = ", ".join(
                f"{row.summary.shown(row.summary.clean)} in {row.summary.study.study_name}" for row in self.rows
            )
            lines.append(f"Clean training differs between the studies ({each}); each gain is against the study's own.")
        return lines


def control_of(method: str) -> str | None:
    """The method that makes the same step in a random direction; None for clean training and for controls."""
    kind = METHODS[method]
    if kind.control:
        return None
    return next((name for name, step in CONTROLS.items() if issubclass(kind, step)), None)


def gathered(summaries: Mapping[str, Summary]) -> Several:
    """Put studies side by side.

    Args:
        summaries: Summaries by method, at least one; all have the same metric.
    """
    rows = [row_of(method, summary, summaries) for method, summary in summaries.items()]
    first = next(iter(summaries.values()))
    sign = -1 if first.maximize else 1
    ranked = sorted(rows, key=lambda row: (row.value is None, 0.0 if row.value is None else sign * row.value))
    return Several(ranked, first)


def row_of(method: str, summary: Summary, summaries: Mapping[str, Summary]) -> Row:
    """The row of one method."""
    control, best = control_of(method), summary.best
    other = summaries[control].best if control is not None and control in summaries else None
    beside = None
    if best is not None and best.value is not None and other is not None and other.value is not None:
        beside = gained(best.value, other.value, summary.places, summary.maximize)
    passes = None
    if best is not None:
        settings, _ = parted(best, summary.about)
        passes = METHODS[method](**settings).cost().relative
    return Row(method, summary, None if beside is None else control, beside, usual(summary), passes)


def usual(summary: Summary) -> float | None:
    """Median seconds of a complete trial."""
    taken: Sequence[float] = [t.user_attrs["seconds"] for t in complete(summary) if "seconds" in t.user_attrs]
    return median(taken) if taken else None
