"""Tests on the signs of paired differences: an exact p value, and an e-value that holds whenever someone looks.

Under "no difference" the two runs of a seed could be exchanged, so each difference is as likely to be d as -d. Nothing else
is assumed: no normal noise, no equal spread. All differences are "the larger the better", in the order of the seeds.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# The e-value is the mean over these bets, each on "better" and on "worse".
BETS = (0.5, 1.0, 2.0)
# With more differences than this, 2**n signs are too many: flips are drawn.
EXACT = 40
FLIPS = 99_999
# Logarithms of products are cut here, before they overflow.
LARGEST = 700.0
# Sums of equal steps that were added in another order differ by rounding. They are ties.
ROUNDING = 1e-9
# No futility before this many seeds; a difference below this many standard deviations is not looked for.
FIRST, SMALL = 8, 0.6


def paired(ours: Sequence[float | None], theirs: Sequence[float | None], maximize: bool = True) -> list[float]:
    """Differences of the runs of the same seeds, the larger the better for ours.

    A run that failed (None or nan) counts as the worst value there is: the difference is -inf if ours failed, inf if theirs
    did, and 0 if both did.

    Args:
        ours: Values of our runs, by seed.
        theirs: Values of the other runs, of the same seeds. What is longer is cut: those seeds are not complete yet.
        maximize: Whether a larger value is better.

    Example:
        >>> paired([0.75, None, 0.5, 0.5], [0.5, 0.5, None])
        [0.25, -inf, inf]
    """
    found = []
    for our, their in zip(ours, theirs, strict=False):
        lost, won = (value is None or math.isnan(value) for value in (our, their))
        if lost or won or our is None or their is None:
            found.append(math.inf * (won - lost) if lost != won else 0.0)
        else:
            found.append(our - their if maximize else their - our)
    return found


def numbers(differences: Sequence[float]) -> Array:
    """The differences as numbers: an infinite one is as large as the largest other (1 if there is none).

    Its size then depends only on sizes, so its sign is still a coin under "no difference".

    Raises:
        ValueError: A difference is nan.
    """
    found = np.asarray(differences, dtype=np.float64)
    if np.isnan(found).any():
        raise ValueError(
            f"difference {int(np.flatnonzero(np.isnan(found))[0]) + 1} is nan; a run that failed is inf or -inf"
        )
    finite = np.isfinite(found)
    largest = np.abs(found[finite]).max(initial=0.0) or 1.0
    return np.where(finite, found, np.sign(found) * largest)


def p_value(differences: Sequence[float]) -> float:
    """The exact two-sided sign-flip p value of the mean: the share of the 2**n signs with a mean at least as far from zero.

    The sums of both halves are listed and met in the middle, which takes 2 * 2**15 sums for 30 differences. From 41
    differences other than zero on, 99,999 flips are drawn (always the same) and the true signs counted too, which keeps
    the test valid.

    Args:
        differences: Of each seed; zeros are allowed and have no sign.

    Returns:
        The p value; 1 without differences.

    Example:
        >>> p_value([1.0, 2.0, 3.0])
        0.25
    """
    sizes = numbers(differences)
    total, sizes = abs(sizes.sum()), np.abs(sizes[sizes != 0])
    slack = ROUNDING * sizes.sum()
    if total <= slack:
        return 1.0
    if len(sizes) > EXACT:
        return _drawn(sizes, total - slack)
    left, right = _sums(sizes[::2]), _sums(sizes[1::2])
    beyond = len(right) * len(left) - int(np.searchsorted(right, total - slack - left).sum())
    return float(2 * beyond / (len(left) * len(right)))


def _sums(sizes: Array) -> Array:
    """The sums under all signs, sorted."""
    found = np.zeros(1)
    for size in sizes:
        found = np.concatenate([found - size, found + size])
    found.sort()
    return found


def _drawn(sizes: Array, total: float) -> float:
    """The p value from drawn signs."""
    rng, beyond = np.random.default_rng(0), 1
    for start in range(0, FLIPS, 1000):
        signs = rng.integers(0, 2, (min(1000, FLIPS - start), len(sizes))) * 2.0 - 1
        beyond += int((np.abs(signs @ sizes) >= total).sum())
    return beyond / (FLIPS + 1)


def e_values(differences: Sequence[float]) -> list[float]:
    """The e-value after each seed. It may be looked at after every seed: it ever reaches 20 with a chance of at most 5 %.

    E_n is the mean over b in +-0.5, +-1, +-2 of the product of exp(b u_i) / cosh(b u_i), where u_i is d_i divided by the
    root mean square of d_1 ... d_i. Each factor has the mean 1 if the sign of d_i is a coin, so E is a martingale, and
    Ville's inequality holds (Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid inference").

    Args:
        differences: Of each seed.

    Example:
        >>> [round(e, 2) for e in e_values([1.0, 1.0, 1.0])]
        [1.0, 1.57, 2.72]
    """
    numbers(differences)  # refuses nan
    found = np.asarray(differences, dtype=np.float64)
    finite = np.isfinite(found)
    sizes = np.abs(np.where(finite, found, 0.0))
    sizes /= sizes.max(initial=0.0) or 1.0  # squares of tiny or huge differences stay numbers
    largest = np.maximum.accumulate(sizes)
    largest[largest == 0] = 1.0
    squares = np.cumsum(sizes**2) + np.cumsum(~finite) * largest**2
    scale = np.sqrt(squares / np.arange(1, len(found) + 1))
    scale[scale == 0] = 1.0
    units = np.sign(found) * np.where(finite, sizes, largest) / scale
    bets = np.array([sign * bet for bet in BETS for sign in (1, -1)])[:, None] * units
    logs = np.cumsum(bets - np.logaddexp(bets, -bets) + math.log(2), axis=1)
    return [float(value) for value in np.exp(np.minimum(logs, LARGEST)).mean(axis=0)]


def e_value(differences: Sequence[float]) -> float:
    """The e-value after the last seed, 1 without seeds."""
    return e_values(differences)[-1] if len(differences) else 1.0


def peak(differences: Sequence[float]) -> float:
    """The largest e-value that someone who looked after every seed has seen; at least 1."""
    return max([1.0, *e_values(differences)])


@cache
def quantile(seeds: int) -> float:
    """The 90 % quantile of Student's t for the mean of so many seeds; scipy takes a tenth of a millisecond for it."""
    from scipy.stats import t  # takes most of a second to import; a search need not wait for it

    return float(t.ppf(0.9, seeds - 1))


def futile(differences: Sequence[float]) -> bool:
    """Whether more seeds would not pay: from 8 seeds on, the 90 % upper limit of the mean's size is below 0.6 sd.

    Only a reason to stop. Whoever goes on loses nothing: the looks do not count on it.
    """
    found = numbers(differences)
    if len(found) < FIRST:
        return False
    sd = float(found.std(ddof=1))
    limit = abs(float(found.mean())) + quantile(len(found)) * sd / math.sqrt(len(found))
    return limit < SMALL * sd or not found.any()
