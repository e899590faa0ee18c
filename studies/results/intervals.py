"""How large a paired difference is: intervals over seeds, and over seeds and rows together. The larger the better."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm, t

from studies.results.signs import ROUNDING, numbers

Array = NDArray[Any]
LEVEL, POWER = 0.95, 0.8
DRAWS = 9999
# Rows are drawn this often; each drawing scores all predictions. Seeds are drawn this often for each, at no cost.
ROW_DRAWS, SEED_DRAWS = 200, 50


@dataclass(frozen=True)
class Spread:
    """An interval over seeds and rows together.

    Args:
        low: Its lower end.
        high: Its upper end.
        rows: The standard error of the mean difference that comes from the choice of rows alone.
    """

    low: float
    high: float
    rows: float


def mean(differences: Sequence[float]) -> float:
    """The mean difference; nan without seeds."""
    return float(numbers(differences).mean()) if len(differences) else math.nan


def sd(differences: Sequence[float]) -> float:
    """The standard deviation over seeds; nan for fewer than two."""
    return float(numbers(differences).std(ddof=1)) if len(differences) > 1 else math.nan


def bca(differences: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """The interval of the mean over seeds: bootstrap, bias-corrected and accelerated (Efron 1987).

    Args:
        differences: Of each seed.
        level: How often such an interval has the true mean in it.

    Returns:
        Both ends, always the same for the same differences. None for fewer than two seeds. If all are equal, that number
        twice: the seeds then show no spread.

    Example:
        >>> bca([0.5, 0.5, 0.5])
        (0.5, 0.5)
    """
    found = numbers(differences)
    if len(found) < 2:
        return None
    if np.ptp(found) <= ROUNDING * np.abs(found).max():
        return float(np.median(found)), float(np.median(found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns where BCa does not exist; the percentiles below do
        rng = np.random.default_rng(0)
        drawn = bootstrap((found,), np.mean, confidence_level=level, n_resamples=DRAWS, rng=rng)
    ends = np.array(drawn.confidence_interval)
    if not np.isfinite(ends).all():
        ends = _middle(drawn.bootstrap_distribution, level)
    return float(ends[0]), float(ends[1])


def _middle(drawn: Array, level: float) -> Array:
    """The percentiles that leave this share in the middle."""
    return np.percentile(drawn, [50 * (1 - level), 50 * (1 + level)])


def seeds_and_rows(
    ours: Sequence[Array],
    theirs: Sequence[Array],
    labels: Array,
    score: Callable[[Array, Array], float],
    maximize: bool = True,
    level: float = LEVEL,
) -> Spread | None:
    """The interval of the mean difference over seeds and rows together.

    Seeds and rows are drawn with replacement, independently of each other (the pigeonhole bootstrap, Owen 2007), the same
    rows for all runs. Its variance is v_seeds + v_rows + 3 v_both, where v_both comes from what differs by seed and row; the
    true one has it once. Seeds drawn alone give v_seeds + v_both, rows alone v_rows + v_both. So the drawings are pulled
    towards the mean until their variance is v_seeds + v_rows + v_both.

    Args:
        ours: Predictions of our runs, by seed: (rows, ...).
        theirs: Predictions of the other runs, of the same seeds.
        labels: Labels of the rows (rows, ...).
        score: A metric, as a function of labels and predictions. Drawings on which it does not exist are left out.
        maximize: Whether a larger score is better.
        level: How often such an interval has the true difference in it.

    Returns:
        The interval, always the same for the same predictions. None for fewer than two seeds or rows, or for a metric that
        rarely exists.
    """
    seeds = min(len(ours), len(theirs))
    if seeds < 2 or len(labels) < 2:
        return None
    rng, sign = np.random.default_rng(0), 1 if maximize else -1

    def differences(rows: Array) -> list[float]:
        return [
            sign * (_scored(score, labels[rows], our[rows]) - _scored(score, labels[rows], their[rows]))
            for our, their in zip(ours[:seeds], theirs[:seeds], strict=True)
        ]

    by_seed = np.array(differences(np.arange(len(labels))))
    table = np.array([differences(rng.integers(0, len(labels), len(labels))) for _ in range(ROW_DRAWS)])
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < ROW_DRAWS / 2 or not np.isfinite(by_seed).all():
        return None
    chosen = rng.integers(0, seeds, (len(table), SEED_DRAWS, seeds))
    drawn = table[np.arange(len(table))[:, None, None], chosen].mean(axis=2).ravel()
    of_rows, middle = float(table.mean(axis=1).var()), float(by_seed.mean())
    wanted = _once(float(drawn.var()), of_rows, float(by_seed.var()) / seeds)
    pulled = middle + (drawn - drawn.mean()) * math.sqrt(wanted / drawn.var() if drawn.var() else 0.0)
    low, high = map(float, _middle(pulled, level))
    return Spread(low, high, math.sqrt(of_rows))


def _once(together: float, of_rows: float, of_seeds: float) -> float:
    """The variance with the part of seeds and rows together counted once, not three times."""
    both = max(0.0, together - of_rows - of_seeds)
    return max(of_rows + of_seeds - both, of_rows, of_seeds)


def _scored(score: Callable[[Array, Array], float], labels: Array, output: Array) -> float:
    """A score, nan where it does not exist (a correlation of equal labels)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(score(labels, output))
    except ValueError:
        return math.nan


def p_better(differences: Sequence[float]) -> float:
    """How often one run is better than the other with the same seed: the share of seeds, equal ones half. nan without seeds.

    Bouthillier et al. 2021 call a method better from 0.75 on.

    Example:
        >>> p_better([0.2, 0.1, 0.0, -0.1])
        0.625
    """
    return float((np.sign(differences) + 1).mean() / 2) if len(differences) else math.nan


def smallest_shown(differences: Sequence[float], alpha: float, rows: float = 0.0) -> float:
    """The smallest true difference that so many seeds, this far apart, show with a chance of 80 %.

    (t_{1 - alpha/2, n-1} + t_{0.8, n-1}) standard errors. Where only "all seeds agree" is below alpha, the difference at
    which n normal differences all agree with a chance of 80 %, if that is larger.

    Args:
        differences: Of each seed.
        alpha: What the look may spend.
        rows: The standard error that comes from the rows (``Spread.rows``); 0 if only these rows matter.

    Returns:
        In the metric's unit; inf if so few seeds never show anything.
    """
    count = len(differences)
    if count < 2 or 2.0 ** (1 - count) > alpha:
        return math.inf
    spread = sd(differences)
    shown = (float(t.ppf(1 - alpha / 2, count - 1)) + float(t.ppf(POWER, count - 1))) * math.hypot(
        spread / math.sqrt(count), rows
    )
    if 2.0 ** (2 - count) > alpha:
        shown = max(shown, float(norm.ppf(POWER ** (1 / count))) * spread)
    return shown


def probabilities(differences: Sequence[float], smallest: float) -> tuple[float, float, float] | None:
    """How likely the true mean difference is worse than -smallest, within, and better than smallest.

    The posterior of the mean of normal differences with a flat prior: mean + sd / sqrt(n) * t with n - 1 degrees of freedom
    (Benavoli et al. 2017, "Time for a change", the three probabilities of a region of practical equivalence).

    Args:
        differences: Of each seed.
        smallest: The difference that matters to the user, above 0.

    Returns:
        Three probabilities that add up to 1; None for fewer than two seeds.

    Example:
        >>> probabilities([0.5, 0.5, 0.5], 0.3)
        (0.0, 0.0, 1.0)
    """
    if len(differences) < 2:
        return None
    middle, error = mean(differences), sd(differences) / math.sqrt(len(differences))
    if not error:
        return float(middle < -smallest), float(abs(middle) <= smallest), float(middle > smallest)
    worse, below = (float(t.cdf((edge - middle) / error, len(differences) - 1)) for edge in (-smallest, smallest))
    return worse, below - worse, 1 - below
