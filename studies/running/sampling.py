"""Which settings a trial gets: they depend only on (seed, trial number, finished trials), whatever was interrupted before.

First the starting points (trial 0 has the method's defaults), then a scrambled Sobol design, the even sample from which
importances are computed, then the chosen sampler.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial

from spaces import Space
from studies.planning.part import WHOLE, Part
from studies.running.foreign import comparable, enqueued, taken

SAMPLERS = ("tpe", "random", "sobol", "gp")
# With fewer finished trials a model has too little to learn from, and settings are drawn at random.
MODEL_FROM = 5


def number_seed(seed: int, number: int) -> int:
    """A 32-bit seed for one trial."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=4).digest())


def at(distribution: BaseDistribution, u: float) -> Any:
    """The value at position ``u`` in [0, 1) of a distribution, spread evenly (over logarithms if it is logarithmic)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    if isinstance(distribution, IntDistribution):
        low, high = distribution.low, distribution.high
        if distribution.log:
            return min(high, int((low - 0.5) * ((high + 0.5) / (low - 0.5)) ** u + 0.5))
        return low + distribution.step * int(u * ((high - low) // distribution.step + 1))
    assert isinstance(distribution, FloatDistribution)
    low_, high_ = distribution.low, distribution.high
    if distribution.log:
        return float(min(max(low_ * (high_ / low_) ** u, low_), high_))
    if distribution.step is None:
        return low_ + u * (high_ - low_)
    return min(high_, low_ + distribution.step * int(u * (round((high_ - low_) / distribution.step) + 1)))


def spread(space: Space, position: NDArray[np.float64]) -> dict[str, Any]:
    """The settings at a point of the unit cube, one dimension for each setting."""
    return {name: at(space[name], float(u)) for name, u in zip(sorted(space), position, strict=True)}


def design_point(space: Space, seed: int, index: int) -> dict[str, Any]:
    """Point ``index`` of the scrambled Sobol sequence of ``seed``."""
    from scipy.stats.qmc import Sobol  # takes half a second to import; a refusal need not wait

    if not space:
        return {}
    sequence = Sobol(len(space), rng=seed)
    if index:
        sequence.fast_forward(index)
    return spread(space, sequence.random(1)[0])


def random_point(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Independent, uniform settings."""
    return spread(space, np.random.default_rng(number_seed(seed, number)).random(len(space)))


class PhasedSampler(BaseSampler):
    """Starting points, then a design, then a model.

    Args:
        space: The declared space; every trial gets all of it.
        starts: Settings of the first trials.
        explore: Trials before this number come from the design.
        seed: Seed of the study.
        name: One of SAMPLERS; "random" draws its design at random too.
        part: Which trials of the search the study has.
    """

    def __init__(
        self, space: Space, starts: Sequence[dict[str, Any]], explore: int, seed: int, name: str, part: Part = WHOLE
    ) -> None:
        self.space, self.starts, self.explore, self.seed, self.name = space, starts, explore, seed, name
        self.part = part

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        return self.space

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        # Trials that were enqueued or taken over have numbers, but take no points of the design.
        earlier = study.get_trials(deepcopy=False) if trial.number else []
        more = sum(bool(enqueued(other)) or taken(other) for other in earlier if other.number < trial.number)
        number, place = self.part.place(trial.number), self.part.place(trial.number - more)
        if place < len(self.starts):
            return self.starts[place]
        if self.name == "random":
            return random_point(self.space, self.seed, number)
        if number < self.explore or self.name == "sobol":
            return design_point(self.space, self.seed, place - len(self.starts))
        drawn = self._model(number).sample_relative(comparable(study, self.space), trial, search_space)
        return drawn if drawn.keys() == self.space.keys() else random_point(self.space, self.seed, number)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, name: str, dist: BaseDistribution) -> Any:
        raise ValueError(f"{name} is not in the declared space")

    def _model(self, number: int) -> BaseSampler:
        seed = number_seed(self.seed, number)
        if self.name == "gp":
            return GPSampler(seed=seed, n_startup_trials=MODEL_FROM)
        # A constant liar counts trials that run elsewhere, so a resumed search would draw other settings.
        return TPESampler(seed=seed, n_startup_trials=MODEL_FROM, multivariate=True, constant_liar=False)
