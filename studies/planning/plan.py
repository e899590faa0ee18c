"""What to search, built from the options and checked before anything is written."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from adv import METHODS, Method, SettingError
from adv.core.settings import check, rule_of
from finetune.arguments import arg
from finetune.config import Data, Recipe, checked
from finetune.errors import UserError, first_line, near
from finetune.folds import Folds
from finetune.words import short
from spaces import RECIPE, Space, space_of
from studies.planning.idle import refuse_idle
from studies.planning.late import keep_attacked, start_range
from studies.planning.ranges import parse_range
from studies.planning.scalar import scalar
from studies.planning.tuned import range_of, usual

# Where it was given, the setting, its value or range, and whether that is a range.
Change = tuple[str, str, Any, bool]
# What a value means depends on them.
ALIKE = ("evals_per_epoch", "score")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A method with its space and fixed settings, the data and the recipe.

    Args:
        method: A key of ``adv.METHODS``.
        data: Where the rows come from.
        recipe: How to train; searched recipe parameters override it.
        space: The settings of the method and recipe parameters to search.
        fixed: Settings of the method that are not searched.
        folds: Folds of the rows, and seeds.
        ranged: Settings whose range the user gave.
    """

    method: str
    data: Data
    recipe: Recipe
    space: Space
    fixed: dict[str, Any]
    folds: Folds = dataclasses.field(default_factory=Folds)
    ranged: frozenset[str] = frozenset()

    def build(self, params: dict[str, Any]) -> tuple[Method, Recipe]:
        """The method and the recipe of one trial.

        Raises:
            SettingError: A setting is outside its domain.
        """
        tuned = {name: value for name, value in params.items() if name in RECIPE}
        settings = {name: value for name, value in params.items() if name not in RECIPE}
        recipe = checked(Recipe, self.recipe.model_dump() | tuned) if tuned else self.recipe
        return METHODS[self.method](**(self.fixed | settings)), recipe

    def defaults(self) -> dict[str, Any]:
        """The defaults of the searched settings, moved to the nearest value in the space if they lie outside."""
        method = METHODS[self.method](**self.fixed)
        values = {name: usual(name, self.recipe) if name in RECIPE else getattr(method, name) for name in self.space}
        return {name: inside(self.space[name], value) for name, value in values.items()}

    @property
    def seed(self) -> int:
        """The seed of the sampler and the runs."""
        return self.recipe.seed

    def epochs_of(self, recipe: Any) -> int:
        """The number of epochs of a trial."""
        return int(recipe.epochs)

    def inputs(self) -> dict[str, Any]:
        """Data and recipe as JSON values, to store and compare; also folds and seeds, where there are any."""
        found = {"data": self.data.model_dump(mode="json"), "recipe": self.recipe.model_dump(mode="json")}
        return found | ({"folds": self.folds.model_dump(mode="json")} if self.folds.used else {})

    @property
    def tuned(self) -> bool:
        """Whether the recipe itself is searched, so that trials share no clean epochs."""
        return any(name in RECIPE for name in self.space)


def inside(distribution: BaseDistribution, value: Any) -> Any:
    """The nearest value in the distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return value if value in distribution.choices else distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    found = min(max(value, distribution.low), distribution.high)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        found = distribution.low + distribution.step * round((found - distribution.low) / distribution.step)
        return found if found != int(found) else int(found)
    return type(value)(found)


def make_plan(
    method: str,
    data: Data,
    recipe: Recipe,
    fixes: Mapping[str, Any] | None = None,
    spaces: Sequence[str | Mapping[str, Any]] = (),
    tune: Sequence[str] = (),
    folds: Folds | None = None,
) -> Plan:
    """Apply ``tune``, ``spaces`` and ``fixes``, in this order, to the method's declared space.

    Args:
        method: A key of ``adv.METHODS``.
        data: Where the rows come from.
        recipe: How to train.
        fixes: Values of settings.
        spaces: YAML files, or mappings of settings to (LOW, HIGH), (LOW, HIGH, "log") or text such as LOW:HIGH:log.
        tune: Recipe parameters to search as well.
        folds: Folds of the rows, and seeds; by default none.

    Raises:
        UserError: A name is unknown, a value is outside its domain, or a range is empty.
    """
    if method not in METHODS:
        raise UserError(f"unknown method {method!r}{near(method, METHODS)}")
    space, fixed = space_of(method, recipe.epochs, recipe.evals_per_epoch), dict[str, Any]()
    for name in tune:
        if name in ALIKE:
            raise UserError(
                f"{arg('tune', name)}: values of trials compare only where it is the same; set it with {arg(name)}"
            )
        if name not in RECIPE:
            raise UserError(f"{arg('tune', name)} is not a recipe parameter{near(name, RECIPE)}")
        space[name] = range_of(name, recipe)
    refuse_idle(recipe, tune)
    changes = [change for part in spaces for change in changes_of(part)]
    for name, value in (fixes or {}).items():
        changes.append((arg("set", {name: value}), name, value, False))
    for where, name, value, ranged in changes:
        apply(where, name, value, ranged, method, space, fixed, recipe.evals_per_epoch)
    drop_idle(method, space, fixed, {name: where for where, name, _, _ in changes})
    last = fixed.get("start_epoch", getattr(space.get("start_epoch"), "high", 0))
    keep_attacked(space, last, [name for _, name, _, _ in changes])
    if last >= recipe.epochs:
        what = f"start_epoch {short(last)} leaves no epoch to attack"
        raise UserError(f"{what}: {arg('epochs')} is {recipe.epochs}, counted from 0")
    mine = frozenset(name for _, name, _, ranged in changes if ranged)
    return Plan(method, data, recipe, space, fixed, folds or Folds(), mine)


def changes_of(part: str | Mapping[str, Any]) -> list[Change]:
    """Ranges and values from a file, or ranges from a mapping, where anything else is an error."""
    if isinstance(part, str):
        return read_space(part)
    return [(arg("space", {name: value}), name, value, True) for name, value in part.items()]


def drop_idle(method: str, space: Space, fixed: dict[str, Any], named: dict[str, str]) -> None:
    """Remove settings from the space that have no effect with the fixed ones.

    Args:
        method: A key of ``adv.METHODS``.
        space: Changed in place.
        fixed: Settings that are not searched.
        named: Settings that the user gave, and where.

    Raises:
        UserError: A setting that the user gave does nothing, or the fixed settings exclude each other.
    """
    try:
        idle = METHODS[method](**fixed).idle
    except SettingError as error:
        raise UserError(f"{method}: {error}") from None
    for name, reason in idle.items():
        if name in named:
            ways = f"leave it out, or set {reason.split('=')[0]}"
            raise UserError(f"{named[name]}: {name} of {method} does nothing with {reason}; {ways}")
        space.pop(name, None)


def apply(
    where: str, name: str, value: Any, ranged: bool, method: str, space: Space, fixed: dict[str, Any], per: int = 1
) -> None:
    """Fix a setting, or change its range.

    Raises:
        UserError: The method has no such setting, or the value or range is outside its domain.
    """
    fields = {field.name: field for field in dataclasses.fields(METHODS[method])}
    if name not in fields and name not in space:
        raise UserError(f"{where}: {method} has no setting {name!r}{near(name, fields)}")
    try:
        if ranged:
            kind: Any = fields[name].type if name in fields else Recipe.model_fields[name].annotation
            kind = next((one for one in get_args(kind) if one is float), kind)  # float | None
            if kind not in (int, float):
                how = f"{arg(name)} instead of {arg('tune')}"
                if name in fields:
                    how = f"{arg('set', {name: '...'})}, {rule_of(fields[name])}"
                raise UserError(f"{where}: {name} is not a number; fix it with {how}")
            made = start_range(where, value, method, per) if name == "start_epoch" else None
            low, high, log = parse_range(where, value, kind)
            for end in (low, high):
                if name in fields:
                    check(name, fields[name], end)
                else:
                    checked(Recipe, {name: end}, where)
            kinds = {int: IntDistribution, float: FloatDistribution}
            space[name] = made or kinds[kind](low, high, log=log)
            fixed.pop(name, None)
        elif name in fields:
            fixed[name] = check(name, fields[name], value)
            space.pop(name, None)
        else:
            raise UserError(f"{where}: {name} belongs to the recipe; set it with {arg(name)}")
    except SettingError as error:
        raise UserError(f"{where}: {error}") from None


def read_space(path: str) -> list[Change]:
    """Read a YAML mapping of names to fixed values or "LOW:HIGH[:log]" ranges.

    Raises:
        UserError: The file is missing or is not such a mapping.
    """
    where = arg("space", path)
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{where} cannot be read: {first_line(error)}") from None
    if not isinstance(content, dict):
        raise UserError(f"{where} is not a mapping; write lines such as 'epsilon: 0.1:2:log' or 'K: 3'")
    rows = []
    for name, value in content.items():
        ranged = isinstance(value, str) and ":" in value
        value = value if ranged else scalar(value)
        rows.append((f"{where}: {name}", str(name), value, ranged))
    return rows


def describe_space(space: Space) -> dict[str, Any]:
    """The space as JSON values, to store and compare."""
    return {name: json.loads(distribution_to_json(space[name])) for name in sorted(space)}
