"""Trials that the search did not make as its own: enqueued or added by plain Optuna, a dashboard, or by hand.

Such a trial runs and counts where it can. What lies outside the declared space, or was not measured here, is named and kept
apart: out of models, importances and figures over settings.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from spaces import Space

VALUED = (TrialState.COMPLETE, TrialState.PRUNED)
# Where Optuna keeps the settings of an enqueued trial.
FIXED = "fixed_params"


def is_number(value: Any) -> bool:
    """Whether it is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def usable(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a trial can run with the value: it is of the right kind, in or out of the range."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    whole = isinstance(distribution, FloatDistribution) or (is_number(value) and value == int(value))
    return is_number(value) and whole and not (distribution.log and value <= 0)


def fits(distribution: BaseDistribution, value: Any) -> bool:
    """Whether the distribution has the value."""
    return usable(distribution, value) and distribution._contains(distribution.to_internal_repr(value))


def in_words(distribution: BaseDistribution) -> str:
    """LOW:HIGH[:log], or the choices."""
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low:g}:{distribution.high:g}{':log' if distribution.log else ''}"


def shown(value: Any) -> str:
    """A value for people; never long."""
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def enqueued(trial: FrozenTrial) -> dict[str, Any]:
    """The settings with which a trial was enqueued; none for one of the search's own."""
    found = trial.system_attrs.get(FIXED)
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def left_out(trial: FrozenTrial, space: Space) -> list[str]:
    """Settings of a trial that are not searched, and do nothing."""
    given = {name: value for name, value in enqueued(trial).items() if name not in space}
    return [f"{name} {shown(value)} is not searched, and did nothing" for name, value in given.items()]


def strange(params: dict[str, Any], space: Space) -> list[str]:
    """Settings that the space does not have, each with its range."""
    return [
        f"{name} {shown(params[name])} is outside the searched {in_words(dist)}"
        for name, dist in space.items()
        if name in params and not fits(dist, params[name])
    ]


def measured(trial: FrozenTrial) -> bool:
    """Whether a trial was trained by a search, which records more than its value."""
    metrics = trial.user_attrs.get("metrics")
    return isinstance(metrics, dict) and bool(metrics)


def why_foreign(trial: FrozenTrial, space: Space) -> list[str]:
    """Why a trial is no point of the search's space, or not comparable with one; empty for one of its own."""
    if trial.state not in VALUED:
        return []
    missing = [f"it has no {name}" for name in space if name not in trial.params]
    more = [f"{name} {shown(value)} is not searched" for name, value in trial.params.items() if name not in space]
    elsewhere = [] if measured(trial) else ["its value was not measured by this search"]
    infinite = [] if trial.value is None or is_number(trial.value) else [f"its value is {trial.value}"]
    return [*missing, *strange(trial.params, space), *more, *elsewhere, *infinite]


def notes(trials: Sequence[FrozenTrial], space: Space, best: FrozenTrial | None) -> dict[int, str]:
    """What is to be said of trials that are not as the search makes them, by number."""
    found = {t.number: [*why_foreign(t, space), *left_out(t, space)] for t in trials}
    star = None if best is None else best.number
    return {
        number: f"trial {number}{', the best' if number == star else ''}: {'; '.join(words)}"
        for number, words in found.items()
        if words
    }


def readable(attrs: dict[str, Any]) -> dict[str, Any]:
    """User attributes without those that have the names of ours and another shape."""
    shapes: dict[str, Callable[[Any], bool]] = {
        "seconds": is_number,
        "metrics": is_table,
        "diagnostics": is_table,
        "diagnostics by epoch": lambda value: isinstance(value, list) and all(map(is_table, value)),
    }
    return {name: value for name, value in attrs.items() if name not in shapes or shapes[name](value)}


def is_table(value: Any) -> bool:
    """Whether it is names with numbers; a metric may be no finite one."""
    return isinstance(value, dict) and all(isinstance(cell, int | float) for cell in value.values())


def comparable(study: optuna.Study, trial: FrozenTrial, space: Space) -> tuple[optuna.Study, FrozenTrial]:
    """A study and its trial under way as a model sees them.

    They are themselves, or a copy without trials that are outside the space or have no finite value.
    """
    valued = study.get_trials(deepcopy=False, states=VALUED)
    inside = [t for t in valued if all(name in t.params and fits(dist, t.params[name]) for name, dist in space.items())]
    known = [t for t in inside if t.value is None or is_number(t.value)]
    if len(known) == len(valued) and all(t.distributions[name] == dist for t in known for name, dist in space.items()):
        return study, trial
    copy = optuna.create_study(direction=study.direction)
    for t in known:
        params = {name: t.params[name] for name in space}
        reports = {step: value for step, value in t.intermediate_values.items() if is_number(value)}
        made = create_trial(
            state=t.state, value=t.value, params=params, distributions=space, intermediate_values=reports
        )  # fmt: skip
        copy.add_trial(made)
    copy.add_trial(create_trial(state=TrialState.RUNNING))  # samplers write into the trial that they draw for
    return copy, copy.get_trials()[-1]


@contextmanager
def taken_as_given() -> Iterator[None]:
    """Without Optuna's warning of a value outside its range: the search says it once, with the trial."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fixed parameter")
        yield
