"""A function of settings in parts: what one setting adds, and what two settings add together beyond that.

A setting is described by cosines on its range, a choice by contrasts. They are orthonormal and have the mean zero over the
space, so parts do not overlap (functional ANOVA, Hooker 2007). Their weights have a Gaussian prior, smooth functions first.
How well a set of parts describes the values is its log evidence, which charges for flexibility by itself (MacKay 1992), and
which costs a few matrix products for many copies of the values at once.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from spaces import Space

Floats = NDArray[np.float64]
# One setting, or two together.
Term = tuple[int, ...]

WAVES = 8
# The length over which a function of a setting is expected to change, as a share of its range.
LENGTH = 0.3
# Shares of the variance that noise may have.
NOISE = (0.15, 0.35, 0.6, 0.85)


class Fit(NamedTuple):
    """Values as a set of functions describes them, and what is left, each row freed from its own pull on the fit."""

    fitted: Floats
    left: Floats


def columns(points: Sequence[dict[str, Any]], space: Space, names: Sequence[str]) -> list[Floats]:
    """For each setting an array (points, functions), whose squares sum to about 1 in a row."""
    return [functions([point[name] for point in points], space[name]) for name in names]


def functions(values: Sequence[Any], distribution: BaseDistribution) -> Floats:
    """The functions of one setting at its values."""
    if isinstance(distribution, CategoricalDistribution):
        return contrasts(np.array([distribution.choices.index(value) for value in values]), len(distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    levels = None if distribution.step is None else round((high - low) / distribution.step) + 1
    if levels is not None and levels <= WAVES and not distribution.log:
        place = ((np.array(values, float) - low) / float(distribution.step or 1) + 0.5) / levels
        return cosines(place, levels - 1)
    numbers = np.array(values, float)
    if distribution.log:
        numbers, low, high = np.log(numbers), math.log(low), math.log(high)
    return cosines(np.clip((numbers - low) / (high - low), 0, 1), WAVES)


def cosines(place: Floats, waves: int) -> Floats:
    """Cosines at places in 0..1, the slow ones with more weight."""
    wave = np.arange(1, waves + 1)
    weight = 1 / (1 + (math.pi * wave * LENGTH) ** 2)
    found: Floats = np.cos(math.pi * place[:, None] * wave) * np.sqrt(2 * weight / weight.sum())
    return found


def contrasts(index: NDArray[np.int64], count: int) -> Floats:
    """Contrasts between choices, all alike."""
    centred = np.eye(count) - 1 / count
    found: Floats = centred[index] * math.sqrt(count / (count - 1))
    return found


def design(parts: Sequence[Floats], terms: Sequence[Term]) -> Floats:
    """The functions of all terms side by side, (points, functions); the terms share the variance equally."""
    found = []
    for term in terms:
        first = parts[term[0]]
        for other in term[1:]:
            first = (first[:, :, None] * parts[other][:, None, :]).reshape(len(first), -1)
        found.append(first)
    return np.concatenate(found, axis=1) / math.sqrt(len(terms))


def evidence(functions: Floats, values: Floats, noises: Sequence[float] = NOISE) -> Floats:
    """Log evidence of a set of functions over that of noise only, for each column of values.

    Args:
        functions: (points, functions), each row times the square root of its weight.
        values: (points, copies), with mean 0 and variance 1, then each row times the square root of its weight.
        noises: Shares of the variance that noise may have; the best one counts.
    """
    size, axes = spectrum(functions)
    best: Floats = np.max([evidence_at(noise, size, axes, values) for noise in noises], axis=0)
    return best


def fitted(functions: Floats, values: Floats) -> Fit:
    """Smooth one column of values."""
    size, axes = spectrum(functions)
    each = [evidence_at(noise, size, axes, values) for noise in NOISE]
    noise = NOISE[int(np.argmax(each))]
    kept = (1 - noise) * size / ((1 - noise) * size + noise)
    smooth: Floats = axes @ (kept * (axes.T @ values))
    # Row sums of the squared residual maker I - A diag(kept) A'.
    free = 1 - ((2 * kept - kept**2) * axes**2).sum(1)
    return Fit(smooth, (values - smooth) / np.sqrt(np.maximum(free, 0.01)))


def evidence_at(noise: float, size: Floats, axes: Floats, values: Floats) -> Floats:
    """Log evidence with this share of noise over that of noise only; a point counts as often as its weight says."""
    spread, inside, count = (1 - noise) * size + noise, (axes.T @ values) ** 2, (values**2).sum(0)
    misfit = (inside.T / spread).sum(-1) + (count - inside.sum(0)) / noise
    found: Floats = -0.5 * (misfit + np.log(spread / noise).sum() + count * math.log(noise) - count)
    return found


def spectrum(functions: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues and eigenvectors (points, ...) of the functions' covariance over the points."""
    points, count = functions.shape
    if points <= count:
        size, axes = np.linalg.eigh(functions @ functions.T)
        return np.maximum(size, 0), axes
    size, turned = np.linalg.eigh(functions.T @ functions)
    real = size > size.max() * 1e-9
    return size[real], functions @ turned[:, real] / np.sqrt(size[real])
