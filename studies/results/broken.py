"""Values of trials that can be compared, their noise, and which trials are broken."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from studies.results.terms import Floats, design, fitted
from studies.running.foreign import is_number

# A trial is broken if it is below clean training by more than so many standard deviations of the noise.
FAR = 4.0
# Five rows that all change sides may do so by chance (a sign test gives 0.06), six hardly. If 80 % are right, six rows move
# the value by so many times what one row adds to its standard error.
ROWS = 15.0
# Half of all normal values are within so many standard deviations of their mean.
MIDDLE = 0.6745
# Noise and broken trials are found in turns, mostly in two.
ROUNDS = 5
# With fewer trials that are not broken, noise cannot be measured.
FEWEST = 8
DIVERGED = ("diverged", "the metric is")


class Points(NamedTuple):
    """Trials and what they reached, the larger the better; minus infinity for those that diverged."""

    trials: list[FrozenTrial]
    values: Floats


def points_of(trials: Sequence[FrozenTrial], maximize: bool) -> Points:
    """Trials that tell about their settings: complete, diverged, and pruned with what they would have reached.

    A pruned trial's last report is raised by what complete trials gained from that epoch to the end, in the median.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and is_number(trial.value)]
    rises: dict[int, float] = {}
    found = list[tuple[FrozenTrial, float]]()
    for trial in trials:
        if trial.state is TrialState.COMPLETE and trial.value is not None and is_number(trial.value):
            found.append((trial, float(trial.value)))
        elif trial.state is TrialState.PRUNED and trial.intermediate_values:
            last = max(trial.intermediate_values)
            if last not in rises:
                rises[last] = rise(complete, last)
            if is_number(trial.intermediate_values[last]):
                found.append((trial, trial.intermediate_values[last] + rises[last]))
        elif str(trial.user_attrs.get("failure", "")).startswith(DIVERGED):
            found.append((trial, float("nan")))
    values = np.array([value for _, value in found]) * (1 if maximize else -1)
    return Points([trial for trial, _ in found], np.nan_to_num(values, nan=-np.inf))


def rise(complete: Sequence[FrozenTrial], epoch: int) -> float:
    """What complete trials gained from an epoch to the end, in the median."""
    gained = [
        t.value - t.intermediate_values[epoch] for t in complete if epoch in t.intermediate_values and t.value is not None
    ]
    return float(np.median(gained)) if gained else 0.0


def noise_of(parts: Sequence[Floats], points: Points) -> float:
    """Standard deviation of what no function of one or two settings explains, read from the middle half of the rests."""
    finite = np.isfinite(points.values)
    values = points.values[finite]
    if len(values) < 2 or values.std() == 0:
        return 0.0
    terms = [(i,) for i in range(len(parts))] + [(i, j) for j in range(len(parts)) for i in range(j)]
    scaled = (values - values.mean()) / values.std()
    left = fitted(design([part[finite] for part in parts], terms), scaled).left
    return float(np.median(np.abs(left - np.median(left))) / MIDDLE * values.std())


def of_few_rows(rows: int | None, error: float | None) -> float:
    """The difference that a few validation rows make: a smaller one breaks nothing. 0 where it is not known.

    Args:
        rows: The number of validation rows.
        error: The standard error of the value over them.
    """
    return ROWS * error / math.sqrt(rows) if rows and error else 0.0


def told_apart(parts: Sequence[Floats], points: Points, clean: float, least: float = 0.0) -> tuple[float, NDArray[np.bool_]]:
    """The noise, and which trials are broken.

    What collapsed makes a function hard to fit beside it, so that its neighbours look noisy: the noise is measured again
    without the broken trials, until they stay the same.

    Args:
        parts: For each setting its functions at the points.
        points: What the trials reached.
        clean: The value of clean training, the larger the better.
        least: Trials that are closer to clean training are not broken, however small the noise.
    """
    lost = np.zeros(len(points.trials), bool)
    for _ in range(ROUNDS):
        whole = Points([trial for trial, gone in zip(points.trials, lost, strict=True) if not gone], points.values[~lost])
        noise, before = noise_of([part[~lost] for part in parts], whole), lost
        lost = broken(points, clean, max(FAR * noise, least))
        if (lost == before).all() or (~lost).sum() < FEWEST:
            break
    return noise, lost


def broken(points: Points, clean: float, far: float) -> NDArray[np.bool_]:
    """Which trials ended so far below clean training (the larger the better), or diverged."""
    found: NDArray[np.bool_] = points.values < clean - far
    return found
