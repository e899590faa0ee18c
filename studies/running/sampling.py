"""Which settings a trial gets: they depend only on (seed, trial number, finished trials), whatever was interrupted before.

First the starting points (trial 0 has the method's defaults), then a scrambled Sobol design, the even sample from which
importances are computed, then the chosen sampler.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from spaces import Space
from studies.planning.part import WHOLE, Part
from studies.running.foreign import Seen, comparable, enqueued, taken

SAMPLERS = ("tpe", "random", "sobol", "gp")
# With fewer finished trials a model has too little to learn from, and settings are drawn at random.
MODEL_FROM = 5
# How often settings that another trial has are drawn again while other trials run: by the model, then evenly.
DRAWS, EVENLY = 5, 100
# The most seconds that a process takes to draw its settings; one that was killed meanwhile is not waited for any longer.
DRAWING = 10.0


def number_seed(seed: int, number: int, again: int = 0) -> int:
    """A 32-bit seed for one trial, or for a further draw of its settings."""
    text = f"{seed}/{number}" + (f"/{again}" if again else "")
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


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
    return random_at(space, number_seed(seed, number))


def random_at(space: Space, seed: int) -> dict[str, Any]:
    """Uniform settings from a seed."""
    return spread(space, np.random.default_rng(seed).random(len(space)))


def others(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Whether other trials are running."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return any(other.number != trial.number for other in running)


def wait_for_earlier(study: optuna.Study, trial: FrozenTrial, space: Space) -> None:
    """Wait until the settings of earlier trials are known, but for none that has had its time: its process was killed."""
    end = time.monotonic() + DRAWING
    while time.monotonic() < end:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        known = [space.keys() <= other.params.keys() or old(other) for other in running if other.number < trial.number]
        if all(known):
            return
        time.sleep(0.02)


def old(trial: FrozenTrial) -> bool:
    """Whether a trial was begun longer ago than drawing its settings takes."""
    began = trial.datetime_start
    return began is not None and datetime.now() - began > timedelta(seconds=DRAWING)


class PhasedSampler(BaseSampler):
    """Starting points, then a design, then a model.

    Where several processes share a study, none draws settings that another trial has, as long as there are others.

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
        self._seen: Seen = {}

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
        if not others(study, trial):
            return self._drawn(study, trial, number_seed(self.seed, number))
        wait_for_earlier(study, trial, self.space)
        known = [other.params for other in study.get_trials(deepcopy=False)]
        draws = self._draws(study, trial, number)
        first = next(draws)
        return next((drawn for drawn in chain([first], draws) if drawn not in known), first)

    def _draws(self, study: optuna.Study, trial: FrozenTrial, number: int) -> Iterator[dict[str, Any]]:
        """What a trial may get: first what the model draws, then anything."""
        seeds = [number_seed(self.seed, number, again) for again in range(DRAWS + EVENLY)]
        yield from (self._drawn(study, trial, seed) for seed in seeds[:DRAWS])
        yield from (random_at(self.space, seed) for seed in seeds[DRAWS:])

    def _drawn(self, study: optuna.Study, trial: FrozenTrial, seed: int) -> dict[str, Any]:
        """What a model that has seen the trials so far draws; random settings while they are too few."""
        drawn = self._model(seed).sample_relative(comparable(study, self.space, self._seen), trial, self.space)
        return drawn if drawn.keys() == self.space.keys() else random_at(self.space, seed)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, name: str, dist: BaseDistribution) -> Any:
        raise ValueError(f"{name} is not in the declared space")

    def _model(self, seed: int) -> BaseSampler:
        if self.name == "gp":
            return GPSampler(seed=seed, n_startup_trials=MODEL_FROM)
        # A constant liar counts trials that run elsewhere, so a resumed search would draw other settings; with up to 8
        # workers it found nothing better in 20 made-up searches.
        return TPESampler(seed=seed, n_startup_trials=MODEL_FROM, multivariate=True, constant_liar=False)
