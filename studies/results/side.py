"""One comparison of the winner with a rival: differences, intervals, and what so many seeds could have shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from studies.results.intervals import bca, mean, p_better, probabilities, sd, smallest_shown
from studies.results.judging import AT, Looks


@dataclass(frozen=True)
class Compared:
    """The winner against one rival on the same seeds. Positive differences are better for the winner.

    Args:
        against: The rival.
        differences: By seed; inf and -inf where a run failed.
        word: "better", "worse" or "not separable"; None where nothing is tested (on the test split).
        mean: The mean difference, in the metric's unit.
        sd: Its standard deviation over seeds; nan for one seed.
        low, high: The BCa interval of the mean over seeds; None for one seed.
        rows_low, rows_high: The interval over seeds and rows together; None if there are no predictions.
        p_better: How often the winner is better with the same seed.
        smallest: The smallest difference that this many seeds and rows could have shown.
        chances: Probabilities that the difference is worse than, within and better than what matters to the user.
    """

    against: str
    differences: list[float]
    word: str | None
    mean: float
    sd: float
    low: float | None
    high: float | None
    rows_low: float | None
    rows_high: float | None
    p_better: float
    smallest: float
    chances: tuple[float, float, float] | None


def compare(
    against: str,
    differences: list[float],
    word: str | None,
    cap: int,
    rows: Mapping[str, float] | None,
    matters: float | None,
) -> Compared:
    """The winner against one rival.

    Args:
        against: The rival.
        differences: By seed.
        word: The verdict.
        cap: The declared number of seeds.
        rows: The interval over seeds and rows, and the standard error that comes from the rows, if known.
        matters: The smallest difference that matters to the user, if given.
    """
    ends = bca(differences) or (None, None)
    last = (Looks.until(cap).alphas or Looks.until(AT[-1]).alphas)[-1]
    by_rows = rows or {}
    return Compared(
        against=against,
        differences=differences,
        word=word,
        mean=mean(differences),
        sd=sd(differences),
        low=ends[0],
        high=ends[1],
        rows_low=by_rows.get("low"),
        rows_high=by_rows.get("high"),
        p_better=p_better(differences),
        smallest=smallest_shown(differences, last, by_rows.get("rows", 0.0)),
        chances=None if matters is None else probabilities(differences, matters),
    )
