"""The second metric of a study, and the front: the trials to which no other is equal in both and better in one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from finetune.tasks.metrics import SECONDS
from finetune.training.epoch import Epoch
from studies.planning.directions import SECOND, SECOND_DIRECTION
from studies.results.digits import gained, places_of, shown
from studies.running.foreign import is_number
from studies.running.two_metrics import reached

Pair = tuple[float, float]
# Times have three significant digits: beyond these, they differ from run to run anyway.
DIGITS = 3


@dataclass(frozen=True)
class Second:
    """The second metric of a study.

    Args:
        metric: Its name.
        maximize: Whether a higher value is better.
        clean: The value of clean training.
        places: Decimals of its values.
        values: The values of complete trials, by their numbers.
        guessing: Trials that would be on the front, but are no better than the constant guess: what answers the same
            to every text withstands any attack, and the front is without it.
    """

    metric: str
    maximize: bool
    clean: float
    places: int
    values: dict[int, float]
    guessing: tuple[int, ...] = ()

    def shown(self, value: float) -> str:
        """A value as it is printed."""
        return shown(value, self.places)

    def gain(self, trial: FrozenTrial) -> float:
        """How much better a trial is than clean training at the printed digits; negative if it is worse."""
        return gained(self.values[trial.number], self.clean, self.places, self.maximize)


def second_of(
    trials: Sequence[FrozenTrial], about: dict[str, Any], baseline: Sequence[Epoch], constant: float | None
) -> Second | None:
    """What is known of a study's second metric; None if it has one metric.

    Args:
        trials: Its trials, as they are stored.
        about: Its identity.
        baseline: The epochs of clean training.
        constant: The second metric's value of the constant guess, if it is known.
    """
    metric = about.get(SECOND)
    if metric is None:
        return None
    maximize, clean = about[SECOND_DIRECTION] == "maximize", reached(baseline, metric)
    places = places_of(maximize, clean if constant is None else constant)
    if metric == SECONDS:
        places = max(0, DIGITS - 1 - math.floor(math.log10(clean))) if clean > 0 else DIGITS
    known = {trial.number: trial.values[1] for trial in trials if len(trial.values or ()) > 1}
    return Second(metric, maximize, clean, places, {number: value for number, value in known.items() if is_number(value)})


def undominated(values: Mapping[int, Pair], maximize: tuple[bool, bool]) -> list[int]:
    """The keys of values that no other beats: none is at least as good in both and better in one. Equal ones all stay.

    Args:
        values: Two values each.
        maximize: For each of the two, whether a higher value is better.

    Returns:
        The best in the first value come first; of equal ones the smaller key.

    Example:
        >>> undominated({0: (0.8, 5.0), 1: (0.9, 7.0), 2: (0.8, 6.0)}, (True, False))
        [1, 0]
    """
    signs = [-1 if high else 1 for high in maximize]
    ranked = sorted(values, key=lambda key: (signs[0] * values[key][0], signs[1] * values[key][1], key))
    found, lowest = list[int](), math.inf
    for key in ranked:
        second = signs[1] * values[key][1]
        if second < lowest or (found and values[key] == values[found[-1]]):
            found.append(key)
            lowest = second
    return found
