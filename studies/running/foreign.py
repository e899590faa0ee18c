"""Trials that the search did not draw: enqueued or added by plain Optuna, a dashboard, or by hand; or taken over.

Such a trial runs and counts if it can; if not, a line says why. A trial outside the declared space is not used for models,
importances and figures of settings. A value that the search did not measure is used only for models.
"""

import copy
import math
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from spaces import Space
from studies.planning.words import quoted, wide

VALUED = (TrialState.COMPLETE, TrialState.PRUNED)
# Where Optuna stores the settings of an enqueued trial.
FIXED = "fixed_params"
# The user attribute of a trial that was taken over: its study and number there.
TAKEN = "taken over from"
# The user attribute of a trial with all metrics after each epoch.
CURVES = "metrics by epoch"
# The user attribute of a trial, and of the study for clean training, with a table of each run, where there are several.
RUNS = "runs"
# The numbers of the evaluations whose weights are scored, where the recipe chooses them.
CHOSEN = "scored evaluations"


def is_number(value: Any) -> bool:
    """Whether the value is a finite number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def usable(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a trial can run with the value: its kind must be right, but it may be outside the range."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    whole = isinstance(distribution, FloatDistribution) or (is_number(value) and value == int(value))
    return is_number(value) and whole and not (distribution.log and value <= 0)


def fits(distribution: BaseDistribution, value: Any) -> bool:
    """Whether the value is of the right kind and inside the range."""
    return usable(distribution, value) and distribution._contains(distribution.to_internal_repr(value))


def holding(distribution: BaseDistribution, start: Any) -> BaseDistribution:
    """The distribution; wider if a starting point lies outside, as the measured range may be narrower than the declared."""
    if not isinstance(distribution, FloatDistribution) or not is_number(start) or fits(distribution, start):
        return distribution
    ends = min(distribution.low, start), max(distribution.high, start)
    return FloatDistribution(*ends, log=distribution.log, step=distribution.step)


def enqueued(trial: FrozenTrial) -> dict[str, Any]:
    """The settings with which a trial was enqueued; none for a trial that the search drew."""
    found = trial.system_attrs.get(FIXED)
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def taken(trial: FrozenTrial) -> bool:
    """Whether a trial was taken over from another study."""
    return isinstance(trial.user_attrs.get(TAKEN), dict)


def explores(trial: FrozenTrial, explore: int) -> bool:
    """Whether a trial belongs to the exploration phase: its number is below ``explore``, and it was not taken over."""
    return trial.number < explore and not taken(trial)


def left_out(trial: FrozenTrial, space: Space) -> list[str]:
    """Sentences about settings of a trial that are not searched and do nothing."""
    given = {name: value for name, value in enqueued(trial).items() if name not in space}
    return [f"{name} {quoted(value)} is not searched, and did nothing" for name, value in given.items()]


def strange(params: dict[str, Any], space: Space) -> list[str]:
    """Sentences about settings outside the space, with the range."""
    return [
        f"{name} {quoted(params[name])} is outside the searched {wide(dist)}"
        for name, dist in space.items()
        if name in params and not fits(dist, params[name])
    ]


def measured(trial: FrozenTrial) -> bool:
    """Whether a search trained the trial: it records more than the value."""
    metrics = trial.user_attrs.get("metrics")
    return isinstance(metrics, dict) and bool(metrics)


def why_foreign(trial: FrozenTrial, space: Space) -> list[str]:
    """Why a trial is outside the search's space, or its value cannot be compared; empty if it is fine."""
    if trial.state not in VALUED:
        return []
    missing = [f"it has no {name}" for name in space if name not in trial.params]
    more = [f"{name} {quoted(value)} is not searched" for name, value in trial.params.items() if name not in space]
    elsewhere = [] if measured(trial) else ["its value was not measured by this search"]
    infinite = [f"its value is {value}" for value in trial.values or () if not is_number(value)]
    return [*missing, *strange(trial.params, space), *more, *elsewhere, *infinite]


def notes(trials: Sequence[FrozenTrial], space: Space, best: FrozenTrial | None) -> dict[int, str]:
    """Sentences, by trial number, about trials that the search could not have made."""
    found = {t.number: [*why_foreign(t, space), *left_out(t, space)] for t in trials}
    star = None if best is None else best.number
    return {
        number: f"trial {number}{', the best' if number == star else ''}: {'; '.join(words)}"
        for number, words in found.items()
        if words
    }


def readable(attrs: dict[str, Any]) -> dict[str, Any]:
    """User attributes without those that have one of our names but another shape."""
    shapes: dict[str, Callable[[Any], bool]] = {
        "seconds": is_number,
        "metrics": is_table,
        "diagnostics": is_table,
        **dict.fromkeys(
            (CURVES, "diagnostics by epoch"), lambda value: isinstance(value, list) and all(map(is_table, value))
        ),
        "versions": lambda value: isinstance(value, dict) and all(isinstance(cell, str) for cell in value.values()),
        "device": lambda value: isinstance(value, str),
    }
    return {name: value for name, value in attrs.items() if name not in shapes or shapes[name](value)}


def is_table(value: Any) -> bool:
    """Whether the value maps names to numbers; a metric need not be finite."""
    return isinstance(value, dict) and all(isinstance(cell, int | float) for cell in value.values())


class Comparable(optuna.Study):
    """A study as a model sees it: it reads some of the trials, and writes to the study itself.

    Args:
        study: The study.
        trials: The trials that the model reads.
    """

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)
        self._seen = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        found = [t for t in self._seen if states is None or t.state in states]
        return copy.deepcopy(found) if deepcopy else found


# Finished trials by their database key, and as a model sees them.
Seen = dict[int, tuple[FrozenTrial, FrozenTrial | None]]


def comparable(study: optuna.Study, space: Space, before: Seen | None = None) -> optuna.Study:
    """The study without trials outside the space or without a finite value; the study itself if there are none.

    Args:
        study: The study.
        space: The declared space.
        before: What was found out about finished trials, to be kept for the next time.
    """
    trials = study.get_trials(deepcopy=False, states=(*VALUED, TrialState.RUNNING))
    before = {} if before is None else before
    for trial in trials:
        if before.get(trial._trial_id, (None,))[0] is not trial or trial.state is TrialState.RUNNING:
            before[trial._trial_id] = trial, as_searched(trial, space)
    known = [seen for trial in trials if (seen := before[trial._trial_id][1]) is not None]
    same = len(known) == len(trials) and all(a is b for a, b in zip(known, trials, strict=True))
    return study if same else Comparable(study, known)


def as_searched(trial: FrozenTrial, space: Space) -> FrozenTrial | None:
    """A trial with the space's distributions; None if it is outside the space or its value is not finite."""
    running = trial.state is TrialState.RUNNING  # a running trial may have all of its settings, some, or none yet
    valued = bool(trial.values) and all(map(is_number, trial.values))
    if not running and (trial.values is not None or trial.state is TrialState.COMPLETE) and not valued:
        return None
    if strange(trial.params, space) or (not running and not space.keys() <= trial.params.keys()):
        return None
    mine = {name: dist for name, dist in space.items() if name in trial.params}
    if trial.distributions == mine:
        return trial
    seen = copy.copy(trial)
    seen.params, seen.distributions = {name: trial.params[name] for name in mine}, mine
    return seen


@contextmanager
def taken_as_given() -> Iterator[None]:
    """Silence Optuna's warnings about values outside their range and other distributions: the search says it once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fixed parameter")
        warnings.filterwarnings("ignore", "Inconsistent parameter values")
        yield
