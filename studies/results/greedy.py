"""Greedy selection of an ensemble, with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, ICML).

The ensemble is the mean of its members, one of which may count several times. It begins with the best few models, as many
as are best together; then the model whose addition is best is added, again and again, even if the score falls; in the end
the best ensemble on the way is taken. So it is never worse than the best model on the rows that it was selected on, and its
score there is too good: ``studies.results.blending`` says by how much.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Score = Callable[[Array], float]
# Scores that agree in so many significant digits are equal: sums are rounded.
DIGITS = 12


@dataclass(frozen=True)
class Picked:
    """A selected ensemble.

    Args:
        counts: How often each model counts.
        score: The ensemble's score on the rows that it was selected on.
        alone: The score of each model there.
        best: The number of the best model.
    """

    counts: tuple[int, ...]
    score: float
    alone: tuple[float, ...]
    best: int

    @property
    def weights(self) -> tuple[float, ...]:
        """The share of each model; they sum to 1."""
        return tuple(count / sum(self.counts) for count in self.counts)


def pick(parts: Sequence[Array], score: Score, maximize: bool, size: int) -> Picked:
    """Select an ensemble of at most ``size`` members, repeated ones counted.

    Of equal scores the simpler ensemble is taken: a model that is a member already before a new one, fewer members before
    more; then the model that is better alone; then the earlier one.

    Args:
        parts: What each model says about the rows, on the scale on which it is averaged.
        score: Of a mean of them.
        maximize: Whether a higher score is better.
        size: How many members there may be, at least 1.

    Example:
        >>> truth = np.array([1.0, 2.0, 3.0])
        >>> found = pick([truth + 1, truth - 1, truth + 9], lambda mean: float(abs(mean - truth).max()), False, 4)
        >>> found.counts, found.score, found.alone
        ((1, 1, 0), 0.0, (1.0, 1.0, 9.0))
    """
    sign = 1.0 if maximize else -1.0
    alone = [score(part) for part in parts]
    ranks = sorted(range(len(parts)), key=lambda number: (-rounded(sign * alone[number]), number))
    place = {number: rank for rank, number in enumerate(ranks)}
    counts, total = [0] * len(parts), np.zeros_like(parts[0])
    path = list[tuple[float, tuple[int, ...], float]]()

    def add(number: int) -> None:
        nonlocal total
        counts[number] += 1
        total = total + parts[number]

    for number in ranks[:size]:
        add(number)
        found = alone[number] if sum(counts) == 1 else score(total / sum(counts))
        path.append((rounded(sign * found), tuple(counts), found))
    start = max(range(len(path)), key=lambda at: (path[at][0], -at))
    path = path[: start + 1]
    counts, total = [0] * len(parts), np.zeros_like(parts[0])
    for number in ranks[: start + 1]:
        add(number)
    while sum(counts) < size:
        members = sum(counts) + 1
        scores = [score((total + part) / members) for part in parts]
        best = max(range(len(parts)), key=lambda n: (rounded(sign * scores[n]), counts[n] > 0, -place[n]))
        add(best)
        path.append((rounded(sign * scores[best]), tuple(counts), scores[best]))
    _, taken, value = max(reversed(path), key=lambda step: (step[0], -len(np.flatnonzero(step[1])), -sum(step[1])))
    return Picked(taken, value, tuple(alone), ranks[0])


def rounded(value: float) -> float:
    """The value to ``DIGITS`` significant digits; the worst of all if it is not a number."""
    return float(f"{value:.{DIGITS - 1}e}") if np.isfinite(value) else -np.inf
