"""Which settings explain values: terms are added one after the other, as long as they explain more than chance would.

Each step compares the best term with the best one on copies of the values in which what is left over is shuffled (Freedman
and Lane 1983). All terms compete in every copy: a false finding has the stated probability, however many terms there are.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studies.results.terms import Floats, Term, design, evidence, fitted

COPIES = 400
# By how many nats "together" must beat "each by itself": without it, two additive settings are called a pair in 1 of 3 runs.
TOGETHER = 1.0
# Noise by which settings that act together are told from settings that act each by itself.
LITTLE = (0.15, 0.35)
# The most findings.
MOST = 4
INTERVAL = (0.025, 0.5, 0.975)


@dataclass(frozen=True)
class Candidate:
    """One or two settings that may be added to the terms that are there, and how much they explain.

    Args:
        term: Indexes of the settings.
        base: The terms that are there.
        new: The terms that are added: a pair brings its settings along.
        gain: Log evidence that they add.
        floor: What the best candidate adds by chance, at the stated probability.
        merit: Log evidence where noise is taken to be small, by which candidates are compared with each other.
    """

    term: Term
    base: tuple[Term, ...]
    new: tuple[Term, ...]
    gain: float = 0.0
    floor: float = 0.0
    merit: float = 0.0

    @property
    def apart(self) -> bool:
        """Whether two settings act, each by itself."""
        return len(self.term) == 2 and self.term not in self.new

    @property
    def found(self) -> bool:
        """Whether it explains more than chance would."""
        return self.gain > self.floor


@dataclass(frozen=True)
class Row:
    """How much a setting or a pair explains: shares of the variance, 0..1, with a 95 % interval and the floor of chance."""

    term: Term
    share: float
    low: float
    high: float
    floor: float
    found: bool


class Selection:
    """Add terms as long as they explain more than chance would.

    Args:
        parts: For each setting its functions, (points, functions).
        values: (points,), not all equal.
        level: Probability of any finding where no setting matters.
        weights: (points,), by default all 1.
        copies: Shuffled copies, by default 400.
    """

    def __init__(
        self, parts: Sequence[Floats], values: Floats, level: float, weights: Floats | None = None, copies: int | None = None
    ) -> None:
        rng, count = np.random.default_rng(0), len(values)
        self.parts, self.values, self.level = parts, values, level
        self.root = np.sqrt(np.ones(count) if weights is None else weights)
        self.orders = np.stack([rng.permutation(count) for _ in range(COPIES if copies is None else copies)])
        self.found: list[Candidate] = []
        self.first = self.last = self.step(())
        while len(self.found) < MOST and (best := self.best()):
            self.found += best
            self.last = self.step(tuple(dict.fromkeys(term for each in self.found for term in (*each.base, *each.new))))

    def functions(self, terms: Sequence[Term]) -> Floats:
        """The functions of some terms, (points, functions)."""
        return design(self.parts, terms) * self.root[:, None]

    def copies(self, terms: Sequence[Term], orders: NDArray[np.int64]) -> Floats:
        """The values, then copies: what the terms describe, and what is left, shuffled; (points, 1 + copies)."""
        if not terms:
            return self.standard(np.column_stack([self.values, self.values[orders].T]))
        [scaled] = self.standard(self.values[:, None]).T
        values, smooth, left = (column / self.root for column in (scaled, *fitted(self.functions(terms), scaled)))
        return self.standard(np.column_stack([values, smooth[:, None] + (left - left.mean())[orders].T]))

    def standard(self, values: Floats) -> Floats:
        """Columns with weighted mean 0 and variance 1, each row times the square root of its weight."""
        weights = self.root[:, None] ** 2 / (self.root**2).sum()
        centred = values - (weights * values).sum(0)
        spread = np.sqrt((weights * centred**2).sum(0))
        found: Floats = self.root[:, None] * centred / np.maximum(spread, np.finfo(float).tiny)
        return found

    def explained(self, terms: Sequence[Term], copies: Floats) -> Floats:
        """Log evidence of some terms for each copy; 0 without terms."""
        return evidence(self.functions(terms), copies) if terms else np.zeros(copies.shape[1])

    def step(self, base: tuple[Term, ...]) -> list[Candidate]:
        """What each candidate adds to the terms that are there."""
        copies = self.copies(base, self.orders)
        before = self.explained(base, copies)
        candidates = candidates_of(len(self.parts), base)
        if not candidates:
            return []
        functions = [self.functions([*base, *candidate.new]) for candidate in candidates]
        gains = np.array([evidence(each, copies) - before for each in functions])
        floor = max(0.0, float(np.quantile(gains[:, 1:].max(0), 1 - self.level)))
        merits = [float(evidence(each, copies[:, :1], LITTLE)[0]) for each in functions]
        found = zip(candidates, gains[:, 0], merits, strict=True)
        return [replace(c, gain=float(gain), floor=floor, merit=merit - charge(c)) for c, gain, merit in found]

    def best(self) -> list[Candidate]:
        """The candidate to add; two where settings are only seen if both are looked at, each by itself."""
        top = max((c for c in self.last if c.found), key=lambda candidate: candidate.merit, default=None)
        if top is None:
            return []
        if not top.apart:
            return [top]
        alone = max((c for c in self.last if c.new in [(term,) for term in top.new]), key=lambda c: c.gain)
        return [alone] if alone.found else [replace(top, term=term) for term in top.new]

    def rows(self) -> list[Row]:
        """The findings, then all other settings, and the strongest other pair; the largest share first."""
        found = {candidate.term for candidate in self.found}
        within = {(index,) for term in found if len(term) == 2 for index in term}
        rest = [c for c in self.last if c.term not in found | within and not c.apart]
        singles = [c for c in self.first if c.term in within] + [c for c in rest if len(c.term) == 1]
        pairs = sorted((c for c in rest if len(c.term) == 2), key=lambda c: -c.gain)[:1]
        rows = [self.row(candidate) for candidate in [*self.found, *singles, *pairs]]
        return sorted(rows, key=lambda row: (not row.found, -row.share))

    def row(self, candidate: Candidate) -> Row:
        """Its shares, with an interval from values that its own fit and shuffled rests make up."""
        terms, count = (*candidate.base, *candidate.new), float((self.root**2).sum())
        copies = self.copies(terms, self.orders[: len(self.orders) // 2])[:, 1:]
        gained = self.explained(terms, copies) - self.explained(candidate.base, copies)
        low, middle, high = np.quantile(gained, INTERVAL)
        gains = (candidate.gain, candidate.gain + low - middle, candidate.gain + high - middle, candidate.floor)
        explained, least, most, floor = (share(gain, count) for gain in gains)
        return Row(candidate.term, explained, least, most, floor, candidate.found)


def charge(candidate: Candidate) -> float:
    """By how much "together" must be better."""
    return TOGETHER if candidate.term in candidate.new and len(candidate.term) == 2 else 0.0


def candidates_of(settings: int, base: tuple[Term, ...]) -> list[Candidate]:
    """Single settings, pairs, and two settings that act each by itself: without those, additive settings pass for a pair."""
    found = [Candidate((index,), base, ((index,),)) for index in range(settings) if (index,) not in base]
    for pair in itertools.combinations(range(settings), 2):
        if pair in base:
            continue
        singles = tuple((index,) for index in pair if (index,) not in base)
        found.append(Candidate(pair, base, (*singles, pair)))
        if len(singles) == 2:
            found.append(Candidate(pair, base, singles))
    return found


def share(gain: float, count: float) -> float:
    """Log evidence as a share of the variance (the pseudo R² of Cox and Snell): 0 where nothing is explained."""
    return float(1 - np.exp(-2 * max(gain, 0.0) / count))
