"""Finished trials of another study that lie inside the space, taken over into a new one.

They count as finished trials of the new study, and as nothing else: they take no points of its design, so that the
exploration phase stays the even sample that importances are read from.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.distributions import IntDistribution
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState, create_trial

from adv import METHODS, SettingError
from finetune.arguments import arg
from finetune.config import Recipe, checked
from finetune.errors import UserError, near
from finetune.words import counted
from spaces import RECIPE
from studies.planning.identity import known_identity, refuse_source
from studies.planning.plan import Plan
from studies.planning.versions import changes
from studies.planning.words import quoted, wide
from studies.running.foreign import TAKEN, fits, is_number, measured, taken
from studies.running.leases import Leases


@dataclass(frozen=True)
class Taking:
    """What is taken over.

    Args:
        source: Name of the study.
        trials: Copies of its trials, as the new study will hold them.
        lines: What to say.
    """

    source: str
    trials: list[FrozenTrial]
    lines: list[str]


def find_source(storage: RDBStorage | None, name: str, here: str) -> optuna.Study:
    """The study to take trials from.

    Args:
        storage: The database; None where there is none yet.
        name: Of the study.
        here: Name of the new one.

    Raises:
        UserError: There is none of that name, or it is the new one.
    """
    where = arg("from_study", name)
    if name == here:
        raise UserError(f"{where} is the study itself; give the new one another name with {arg('study')}")
    names = [] if storage is None else [other for other in optuna.get_all_study_names(storage) if other != here]
    if storage is None or name not in names:
        raise UserError(f"{where}: the database holds no such study{near(name, names)}")
    return optuna.load_study(study_name=name, storage=storage)


def look(source: optuna.Study, plan: Plan, mine: dict[str, Any], accept: bool = False) -> Taking:
    """Which trials of another study lie inside the space.

    Args:
        source: The study.
        plan: What is searched.
        mine: The new study's identity; space, fixed settings and search may differ from the other's.
        accept: Whether trials of other versions will do.

    Raises:
        UserError: The studies differ in something else, or no trial lies inside.
    """
    name, lines = source.study_name, refuse_source(source, mine, accept)
    about = known_identity(source) or {}
    finished = sorted(source.get_trials(deepcopy=False), key=lambda trial: trial.number)
    finished = [trial for trial in finished if trial.state.is_finished()]
    copies, reasons = list[FrozenTrial](), Counter[str]()
    for trial in finished:
        point = inside(trial, about, plan)
        if not whole(trial):
            reasons["not measured by a search"] += 1
        elif isinstance(point, str):
            reasons[point] += 1
        else:
            copies.append(copied(trial, point, plan, name, about, mine))
    left = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    if not copies:
        many = f"none of its {counted(len(finished), 'finished trial')}" if finished else "it has no finished trial that"
        raise UserError(f"{arg('from_study', name)}: {many} can be taken over{f': {left}' if left else ''}")
    for number, copy in enumerate(copies):
        copy.number = number
    many = f"{len(copies)} of its {counted(len(finished), 'finished trial')}"
    return Taking(name, copies, [f"taken over from {name}: {many}{f' (not taken: {left})' if left else ''}", *lines])


def whole(trial: FrozenTrial) -> bool:
    """Whether a search ran the trial to its end, whatever that was."""
    if trial.state is TrialState.FAIL:
        return "failure" in trial.user_attrs
    return measured(trial) and (trial.state is TrialState.PRUNED or is_number(trial.value))


def inside(trial: FrozenTrial, about: dict[str, Any], plan: Plan) -> dict[str, Any] | str:
    """The trial's settings as points of the plan's space; why not, where it is none.

    Args:
        trial: Of a study with the same method and recipe.
        about: That study's identity.
        plan: What is searched.
    """
    tuned = {name: value for name, value in trial.params.items() if name in RECIPE}
    settings = about["fixed"] | {name: value for name, value in trial.params.items() if name not in RECIPE}
    if not about["space"].keys() <= trial.params.keys():
        return "without all settings"
    try:
        was, recipe = METHODS[plan.method](**settings), checked(Recipe, plan.recipe.model_dump() | tuned)
    except (SettingError, UserError, TypeError):
        return "with settings that the method does not take"
    point = {name: getattr(recipe if name in RECIPE else was, name) for name in plan.space}
    for name, value in point.items():
        if not fits(plan.space[name], value):
            return f"with {name} outside {wide(plan.space[name])}"
        point[name] = int(value) if isinstance(plan.space[name], IntDistribution) else value
    now, asked = plan.build(point)
    idle = was.idle.keys() & now.idle.keys()
    for name in [field.name for field in fields(now) if field.name not in idle]:
        if getattr(was, name) != getattr(now, name):
            return f"with another {name} than {quoted(getattr(now, name))}"
    return next(
        (
            f"with another {name} than {getattr(asked, name)}"
            for name in RECIPE
            if getattr(recipe, name) != getattr(asked, name)
        ),
        point,
    )


def copied(
    trial: FrozenTrial, point: dict[str, Any], plan: Plan, source: str, about: dict[str, Any], mine: dict[str, Any]
) -> FrozenTrial:
    """The trial as the new study holds it: values, reports and attributes, where it comes from, and under which versions."""
    attrs = dict(trial.user_attrs)
    if changes(about["versions"], mine["versions"]):
        attrs.setdefault("versions", about["versions"])
    if about.get("device") and about["device"] != mine.get("device"):
        attrs.setdefault("device", about["device"])
    copy = create_trial(
        state=trial.state,
        value=trial.value,
        params=point,
        distributions=plan.space,
        user_attrs=attrs | {TAKEN: {"study": source, "trial": trial.number}},
        intermediate_values=trial.intermediate_values,
    )
    copy.datetime_start, copy.datetime_complete = trial.datetime_start, trial.datetime_complete
    return copy


def take_over(taking: Taking, study: optuna.Study, storage: RDBStorage) -> None:
    """Add the trials to a study in one transaction: all of them or none, and never twice, whoever else does the same."""
    leases = Leases(study, storage)
    with leases.alone() as session:
        attribute = TrialUserAttributeModel
        there = (
            sql.select(sql.func.count()).select_from(attribute).join(TrialModel, TrialModel.trial_id == attribute.trial_id)
        )
        if session.scalars(there.where(TrialModel.study_id == leases.id, attribute.key == TAKEN)).one() == 0:
            for trial in taking.trials:
                storage._get_prepared_new_trial(leases.id, trial, session)
    study._thread_local.cached_all_trials = None


def without(points: Sequence[dict[str, Any]], trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """Starting points that were not taken over."""
    known = [trial.params for trial in trials if taken(trial)]
    return [point for point in points if point not in known]
