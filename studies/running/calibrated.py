"""The ranges of a study: measured before its first trial, or as the study has them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import optuna

from adv import METHODS
from finetune.arguments import arg
from finetune.errors import UserError
from finetune.words import listed
from studies.calibrating.measured import as_given, line_of, measure
from studies.planning.calibrated import CALIBRATED, narrowed
from studies.planning.identity import KEY
from studies.planning.plan import Plan
from studies.planning.request import Request
from studies.planning.resolve import Job
from studies.running.prefix import shared_counts


def calibrated(
    job: Job[Any], objective: Any, known: Mapping[str, Any], source: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """What a study stores about its ranges.

    Args:
        job: What is searched.
        objective: Trains its trials; with the user's own loop there is nothing to measure.
        known: The attributes of the study, if it exists.
        source: The attributes of the study whose trials are taken over: its ranges are, too.

    Returns:
        None if the declared space is searched.
    """
    if KEY in known:
        return known.get(CALIBRATED)
    state = getattr(objective, "clean_state", None)
    if state is None or not job.request.running.calibrate:
        return None
    if source is not None:
        found = source.get(CALIBRATED)
        return without(found or as_declared(job.plan), job.plan.ranged.union(job.plan.fixed))
    return measure(job.plan, state, clean_for(job.plan))


def clean_for(plan: Plan) -> int:
    """After how many clean evaluations the attack is tried: the last that trials share, or else the first epoch's.

    Where a search shares nothing its own clean training is as long, so that its ranges are the same.
    """
    return max([] if plan.tuned else shared_counts(plan), default=plan.recipe.evals_per_epoch)


def as_declared(plan: Plan) -> dict[str, Any]:
    """What a study stores that takes over trials from the declared ranges."""
    names = [name for name in plan.space if any(name in group for group in METHODS[plan.method].null)]
    why = f"{listed(names)} in the declared range, as in the study whose trials are taken over"
    return {"names": names, "ranges": {}, "why": why} if names else {}


def without(found: dict[str, Any], given: frozenset[str]) -> dict[str, Any]:
    """The ranges without those that the user gave, and words about what is left."""
    own, names = sorted(given & set(found.get("names", ()))), [name for name in found.get("names", ()) if name not in given]
    if not own:
        return found
    ranges = {name: ends for name, ends in found["ranges"].items() if name not in given}
    parts = [
        f"{name} {low:g} to {high:g}, as in the study whose trials are taken over" for name, (low, high) in ranges.items()
    ]
    return found | {"names": names, "ranges": ranges, "why": "; ".join([*parts, as_given(own)])}


def narrow(job: Job[Any], objective: Any, found: Mapping[str, Any] | None) -> tuple[Job[Any], list[str]]:
    """The job with the measured ranges, which its objective gets too, and the line that says so."""
    if not found:
        return job, []
    plan = replace(job.plan, space=narrowed(job.plan.space, found))
    objective.plan = plan
    return replace(job, plan=plan), [line_of(dict(found))]


def keep_ranges(request: Request, study: optuna.Study | None) -> list[str]:
    """A line if a study goes on in the ranges that it was begun with, and the request says otherwise.

    Raises:
        UserError: The study searches measured ranges, and the request wants the declared ones.
    """
    if study is None or KEY not in study.user_attrs or "calibrate" not in request.given:
        return []
    name, ranges = study.study_name, (study.user_attrs.get(CALIBRATED) or {}).get("ranges", {})
    if request.running.calibrate:
        return [] if CALIBRATED in study.user_attrs else [f"study {name} searches the declared ranges, and keeps them"]
    if not ranges:
        return []
    have = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in ranges.items())
    way = f"choose another {arg('study')} name"
    raise UserError(f"{arg('calibrate', False)}: study {name!r} searches measured ranges ({have}); {way}")
