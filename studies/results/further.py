"""Rivals of the winner beside clean training and its control, on the verdict's seeds: what they cost the winner's gain.

Their comparisons have intervals and e-values, and no verdict: if they were tested with the others, eight seeds that agree
would no longer be enough at the first look.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from studies.results.judging import ENOUGH
from studies.results.side import Compared, compare
from studies.results.signs import FIRST, e_value, paired
from studies.results.summary import Summary
from studies.running.stages import AGAINST, Arm, Stage, find_stage

# User attributes: of the verdict, which rivals were declared before its first seed; of a stage, what needed rows' labels.
DECLARED, ROWS = "declared rivals", "over rows"
CLEAN_ARM, WINNER_ARM = 0, 1
Place: TypeAlias = Literal["ahead", "unsure", "not shown", "level", "behind", "too few seeds"]


@dataclass(frozen=True)
class Further:
    """The winner against one further rival.

    Args:
        name: What it is called in ``against``.
        arm: The rival.
        compared: The comparison; its word is None.
        values: The rival's values by seed; None for a run that failed.
        e: The e-value after all its seeds.
        declared: Whether it was asked for before the verdict began.
    """

    name: str
    arm: Arm
    compared: Compared
    values: list[float | None]
    e: float
    declared: bool

    @property
    def seeds(self) -> int:
        """The seeds on which both were run."""
        return len(self.compared.differences)

    @property
    def place(self) -> Place:
        """Where the winner stands: ahead on evidence, perhaps ahead, not shown to be, no better, or behind."""
        side = self.compared
        return place(side.mean, side.low, side.high, self.e) if self.seeds >= FIRST else "too few seeds"


def place(mean: float, low: float | None, high: float | None, e: float) -> Place:
    """Where the winner stands. "Ahead" takes evidence, an e-value of 20: the verdict chose the number of seeds.

    Args:
        mean: The mean difference, the larger the better for the winner.
        low: The lower end of its interval over seeds; None for one seed.
        high: The upper end.
        e: The e-value.
    """
    if mean > 0:
        return "ahead" if e >= ENOUGH else "unsure" if (low or 0.0) > 0 else "not shown"
    return "behind" if mean < 0 and (e >= ENOUGH or (high or 0.0) < 0) else "level"


def further_of(summary: Summary, verdict: Stage, seeds: int, cap: int, matters: float | None) -> dict[str, Further]:
    """The winner against each further rival that has a value, by what the rival is called in ``against``.

    Args:
        summary: The search.
        verdict: The verdict's stage.
        seeds: Seeds that the verdict has.
        cap: Its declared number of seeds.
        matters: The smallest difference that matters to the user, if given.
    """
    stages = {name: find_stage(summary.study, kind) for name, kind in AGAINST.items()}
    there = {name: stage for name, stage in stages.items() if stage is not None}
    ours, declared = verdict.values(WINNER_ARM, seeds), verdict.study.user_attrs.get(DECLARED, [])
    found = {}
    for name, stage in there.items():
        theirs = stage.values(0, seeds)
        differences = paired(ours, theirs, summary.maximize)
        if not differences:
            continue
        rows = stage.study.user_attrs.get(ROWS, {})
        rows = rows.get(name) if rows.get("seeds") == len(differences) else None
        against = compare(stage.arms[0].who, differences, None, cap, rows, matters)
        found[name] = Further(name, stage.arms[0], against, theirs, e_value(differences), name in declared)
    return found
