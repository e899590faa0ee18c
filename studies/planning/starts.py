"""Starting points: the user's own configurations, which a search tries before its design."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from adv import METHODS, SettingError
from adv.core.settings import check
from finetune.arguments import arg
from finetune.config import Recipe, checked
from finetune.errors import UserError, first_line, near
from finetune.words import short
from studies.planning.loop_plan import LoopPlan
from studies.planning.plan import Plan, inside
from studies.planning.scalar import scalar
from studies.planning.words import wide


@dataclasses.dataclass(frozen=True)
class Start:
    """One configuration: where it was given, its method ("" for all that search its settings), and its settings."""

    where: str
    method: str
    settings: dict[str, Any]

    def fits(self, plan: Plan | LoopPlan) -> bool:
        """Whether the start is for this method; without a named method, the plan must search or fix all its settings."""
        if self.method:
            return self.method == plan.method and self.settings.keys() <= known_to(plan)
        return self.settings.keys() <= plan.space.keys() | plan.fixed.keys()


def read_starts(sources: Sequence[str | Mapping[str, Any]], first: str | None = None) -> list[Start]:
    """Read configurations from mappings, and from YAML or JSON files: a mapping of settings, a list of them, or a best.yaml.

    Args:
        sources: Mappings and paths.
        first: Where the first one was given, if not here.

    Raises:
        UserError: A file is missing or has other content, or names an unknown method.
    """
    found: list[Start] = []
    for number, source in enumerate(sources, 1):
        where = first if first and number == 1 else f"{arg('start')}: entry {number}"
        found += read_file(source) if isinstance(source, str) else [read_entry(where, source)]
    return found


def read_file(path: str) -> list[Start]:
    """The configurations of one file.

    Raises:
        UserError: As in ``read_starts``.
    """
    where = arg("start", path)
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
        content = json.loads(text) if path.endswith(".json") else yaml.load(text, yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{where} cannot be read: {first_line(error)}") from None
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise UserError(f"{where} has no entries; write lines such as '- {{adv_lr: 1e-2, adv_eps: 1e-3}}'")
    return [read_entry(f"{where}: entry {number}", entry) for number, entry in enumerate(entries, 1)]


def read_entry(where: str, entry: Any) -> Start:
    """One configuration.

    Raises:
        UserError: It is not a mapping of settings to single values, or its method is unknown.
    """
    if not isinstance(entry, dict) or not entry:
        raise UserError(f"{where} is not a mapping; write settings such as 'adv_lr: 1e-2' and 'adv_eps: 1e-3'")
    method = entry.get("method", "")
    settings = entry["settings"] if "settings" in entry else {k: v for k, v in entry.items() if k != "method"}
    if not isinstance(method, str) or (method and method not in METHODS):
        raise UserError(f"{where}: unknown method {method!r}{near(str(method), METHODS)}")
    if not isinstance(settings, dict):
        raise UserError(f"{where}: settings is not a mapping")
    return Start(where, method, {str(name): scalar(v) if isinstance(v, str) else v for name, v in settings.items()})


def starts_of(plans: Sequence[Plan | LoopPlan], starts: Sequence[Start]) -> dict[str, list[dict[str, Any]]]:
    """The searched settings of the starting trials of each method, without those that are trial 0 or another start.

    Raises:
        UserError: An entry fits none of the methods, or its settings are outside the space.
    """
    chosen: dict[str, list[dict[str, Any]]] = {plan.method: [] for plan in plans}
    used = False
    for start in starts:
        mine = [plan for plan in plans if start.method in ("", plan.method)]
        # With several methods, an entry without a method is for those that know its settings.
        for plan in mine if len(plans) == 1 else [plan for plan in mine if start.fits(plan)]:
            point, used = point_of(plan, start), True
            if point not in [plan.defaults(), *chosen[plan.method]]:
                chosen[plan.method].append(point)
        if not start.method and len(plans) > 1 and not any(start.fits(plan) for plan in plans):
            raise UserError(f"{start.where}: none of {', '.join(chosen)} searches all of {', '.join(start.settings)}")
        if start.method in chosen and not any(start.fits(plan) for plan in mine):
            refuse_unknown(mine[0], start)
    if starts and not used:
        file = starts[0].where.rpartition(":")[0]
        raise UserError(f"{file}: no entry is for {', '.join(chosen)}; the first is for {starts[0].method}")
    return chosen


def known_to(plan: Plan | LoopPlan) -> set[str]:
    """Names of all settings of the method and of the searched recipe parameters."""
    return {field.name for field in dataclasses.fields(METHODS[plan.method])} | plan.space.keys()


def refuse_unknown(plan: Plan | LoopPlan, start: Start) -> None:
    """Refuse settings that the method does not have.

    Raises:
        UserError: There is such a setting.
    """
    known = known_to(plan)
    for name in start.settings:
        if name in Recipe.model_fields and name not in known:
            raise UserError(f"{start.where}: {name} belongs to the recipe; search it with {arg('tune', name)}")
        if name not in known:
            raise UserError(f"{start.where}: {plan.method} has no setting {name!r}{near(name, known)}")


def point_of(plan: Plan | LoopPlan, start: Start) -> dict[str, Any]:
    """A value for every searched setting: the entry's, or that of trial 0.

    Raises:
        UserError: A setting is unknown, not allowed, outside its range, or fixed at another value.
    """
    refuse_unknown(plan, start)
    fields = {field.name: field for field in dataclasses.fields(METHODS[plan.method])}
    point = plan.defaults()
    for name, value in start.settings.items():
        try:
            value = check(name, fields[name], value) if name in fields else value_of(plan, name, value, start.where)
        except SettingError as error:
            raise UserError(f"{start.where}: {error}") from None
        if name not in plan.space:
            refuse_other(plan, start, name, value)
        elif not equal(near := inside(plan.space[name], value), value, plan.space[name]):
            raise UserError(f"{start.where}: {outside(name, value, plan.space[name])}")
        else:
            point[name] = near
    return point


def equal(near: Any, value: Any, distribution: BaseDistribution) -> bool:
    """Whether a value is the nearest one in the distribution; 0.333 is a third where steps are thirds."""
    step = distribution.step if isinstance(distribution, FloatDistribution) else None
    return bool(near == value if step is None else abs(near - value) <= 0.02 * step)


def value_of(plan: Plan | LoopPlan, name: str, value: Any, where: str) -> Any:
    """Check a value of the recipe.

    Raises:
        UserError: The value is not allowed.
    """
    if isinstance(plan, Plan):
        return getattr(checked(Recipe, {name: value}, where), name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where}: {name} is {value!r}: a number is needed")
    return type(plan.recipe[name])(value)


def refuse_other(plan: Plan | LoopPlan, start: Start, name: str, value: Any) -> None:
    """Refuse another value for a setting that is not searched.

    Raises:
        UserError: The value is another one.
    """
    there = getattr(METHODS[plan.method](**plan.fixed), name)
    if value != there:
        fixed = f"is {there!r} by {arg('set')} or {arg('space')}"
        what = fixed if name in plan.fixed else f"is not searched and is {there!r}"
        way = f"{arg('set', {name: value})} gives all trials that value"
        raise UserError(f"{start.where}: {name} {what}, not {value!r}; {way}")


def outside(name: str, value: Any, distribution: BaseDistribution) -> str:
    """Which range excludes the value, and how to widen it."""
    if isinstance(distribution, CategoricalDistribution):
        return f"{name} {value!r} is not searched; the choices are {wide(distribution)}"
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    log = ":log" if distribution.log and value > 0 else ""
    there = wide(distribution)
    wider = f"{min(value, distribution.low):g}:{max(value, distribution.high):g}{log}"
    if name == "start_epoch":
        why = f"search it there with {arg('space', {name: wider})} ({arg('epochs')} gives more epochs)"
        if isinstance(distribution, FloatDistribution) and distribution.step is not None:
            there += f" in steps of {short(distribution.step)}"
            why = f"{arg('space', {name: 'LOW:HIGH'})} and {arg('evals_per_epoch')} give other starts"
        return f"start_epoch {value} is outside the searched {there}; {why}"
    return f"{name} {value:g} is outside the searched {there}; search it there with {arg('space', {name: wider})}"
