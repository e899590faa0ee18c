"""Finished trials of another study that lie inside the space, taken over into a new one.

They count as finished trials of the new study, and as nothing else: they take no points of its design, so the
exploration phase stays the even sample from which importances are computed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.distributions import IntDistribution
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState, create_trial

from adv import SettingError
from finetune.arguments import arg
from finetune.errors import UserError, near
from finetune.words import counted
from studies.planning.identity import asked, known_identity, refuse_source
from studies.planning.loop_plan import LoopPlan
from studies.planning.plan import Plan
from studies.planning.resolve import Job
from studies.planning.versions import changes
from studies.planning.words import quoted, wide
from studies.running.begin import find_study
from studies.running.foreign import TAKEN, fits, is_number, measured, taken
from studies.running.leases import Leases
from studies.running.storage import searched_names


@dataclass(frozen=True)
class Taking:
    """What is taken over.

    Args:
        source: Name of the study they come from.
        trials: Copies of its trials for the new study.
        lines: Lines to print.
    """

    source: str
    trials: list[FrozenTrial]
    lines: list[str]


def find_source(storage: RDBStorage | None, name: str) -> optuna.Study:
    """The study to take trials from.

    Args:
        storage: The database; None if there is none yet.
        name: The study's name.

    Raises:
        UserError: There is no study of that name.
    """
    where = arg("from_study", name)
    names = [] if storage is None else searched_names(storage)
    if storage is None or name not in names:
        raise UserError(f"{where}: there is no such study in the database{near(name, names)}")
    return optuna.load_study(study_name=name, storage=storage)


def refuse_early(job: Job[Any], metric: str | None, storage: RDBStorage | None, direction: str | None = None) -> None:
    """Refuse an unsuitable study to take trials from, as far as this is known before data and model are read.

    Args:
        job: What to search.
        metric: The metric of the trials; None while it is not known from the labels.
        storage: The database; None if there is none yet.
        direction: Direction of the user's own metric.

    Raises:
        UserError: There is no such study, or it searched something else.
    """
    source = job.request.aim.from_study
    if source is None:
        return
    if source == job.name:
        where = arg("from_study", source)
        raise UserError(f"{where} is the study itself; give the new one another name with {arg('study')}")
    if storage is None or find_study(storage, job.name) is None:
        mine, _ = asked(job, metric, None, None, direction)
        refuse_source(find_source(storage, source), mine, job.request.running.accept_versions)


def arranged(
    job: Job[Any], mine: dict[str, Any], there: optuna.Study | None, storage: RDBStorage
) -> tuple[dict[str, Any], Taking]:
    """What to take over into a study.

    Args:
        job: What to search.
        mine: Its identity, as ``asked`` returned it.
        there: The existing study of that name, if there is one.
        storage: The database.

    Returns:
        The identity with the number of trials to take over, and these trials; no trials if that was done before.

    Raises:
        UserError: There is no such study, it searched something else, or no trial would be new.
    """
    source, known = mine["search"].get("from"), mine["search"].get("taken")
    if source is None:
        return mine, Taking("", [], [])
    done = [] if there is None else [trial for trial in there.get_trials(deepcopy=False) if taken(trial)]
    if done:
        return mine, Taking(source, [], [f"taken over from {source}: {counted(len(done), 'trial')}"])
    found = look(find_source(storage, source), job.plan, mine, job.request.running.accept_versions)
    if known is not None:  # the study was begun, but stopped before it had them
        return mine, replace(found, trials=found.trials[:known])
    many = len(found.trials)
    if many >= job.trials:
        what = f"{counted(many, 'trial')} would be taken over from {source}, and none would be new"
        raise UserError(f"{arg('trials')} is {job.trials}, but {what}: give {many + 1} or more")
    search = mine["search"] | {"taken": many, "explore": many + job.explore_beside(many)}
    return mine | {"search": search}, found


def look(source: optuna.Study, plan: Plan | LoopPlan, mine: dict[str, Any], accept: bool = False) -> Taking:
    """Which trials of another study lie inside the space.

    Args:
        source: The study.
        plan: What is searched.
        mine: The new study's identity; space, fixed settings and search may differ from the other's.
        accept: Whether to take trials that were made under other versions.

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
    """Whether a search ran the trial to its end, whatever the outcome."""
    if trial.state is TrialState.FAIL:
        return "failure" in trial.user_attrs
    return measured(trial) and (trial.state is TrialState.PRUNED or all(map(is_number, trial.values or (None,))))


def inside(trial: FrozenTrial, about: dict[str, Any], plan: Plan | LoopPlan) -> dict[str, Any] | str:
    """The trial's settings as a point of the plan's space, or the reason why they are not one.

    Args:
        trial: A trial of a study with the same method and recipe.
        about: That study's identity.
        plan: What is searched.
    """
    if not about["space"].keys() <= trial.params.keys():
        return "without all settings"
    try:
        was, had = replace(plan, fixed=about["fixed"]).build(trial.params)
    except (SettingError, UserError, TypeError):
        return "with settings that the method does not take"
    values = asdict(was) | (had if isinstance(had, dict) else had.model_dump())
    point = {name: values[name] for name in plan.space}
    for name, value in point.items():
        if not fits(plan.space[name], value):
            return f"with {name} outside {wide(plan.space[name])}"
        point[name] = int(value) if isinstance(plan.space[name], IntDistribution) else value
    now, recipe = plan.build(point)
    idle = was.idle.keys() & now.idle.keys()
    wanted = asdict(now) | (recipe if isinstance(recipe, dict) else recipe.model_dump())
    others = [name for name in wanted if values[name] != wanted[name] and name not in idle]
    return f"with another {others[0]} than {quoted(wanted[others[0]])}" if others else point


def copied(
    trial: FrozenTrial,
    point: dict[str, Any],
    plan: Plan | LoopPlan,
    source: str,
    about: dict[str, Any],
    mine: dict[str, Any],
) -> FrozenTrial:
    """The trial for the new study: values, reports and attributes, where it comes from, and under which versions."""
    attrs = dict(trial.user_attrs)
    if changes(about["versions"], mine["versions"]):
        attrs.setdefault("versions", about["versions"])
    if about.get("device") and about["device"] != mine.get("device"):
        attrs.setdefault("device", about["device"])
    copy = create_trial(
        state=trial.state,
        values=trial.values,
        params=point,
        distributions=plan.space,
        user_attrs=attrs | {TAKEN: {"study": source, "trial": trial.number}},
        intermediate_values=trial.intermediate_values,
    )
    copy.datetime_start, copy.datetime_complete = trial.datetime_start, trial.datetime_complete
    return copy


def take_over(taking: Taking, study: optuna.Study, storage: RDBStorage) -> None:
    """Add the trials to a study in one transaction: all or none, and never twice, even if other processes do the same."""
    if not taking.trials:
        return
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
