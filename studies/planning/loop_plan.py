"""What is searched around a training loop of one's own."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from adv import METHODS, Method
from finetune.arguments import arg
from finetune.config import Data, Recipe
from finetune.errors import UserError
from spaces import RECIPE, Space
from spaces.recipe import around
from studies.planning.plan import inside, make_plan, parse_range


@dataclasses.dataclass(frozen=True)
class LoopPlan:
    """A method, its space and fixed settings, and the values that a loop of one's own uses.

    Args:
        method: A key of ``adv.METHODS``.
        loop: The function's name, and what its user says of its data.
        epochs: Of a run.
        seed: Of sampler and runs.
        recipe: Further values of the loop; searched ones override them.
        space: What is searched: settings of the method and values of the recipe.
        fixed: Settings of the method that are not searched.
    """

    method: str
    loop: dict[str, Any]
    epochs: int
    seed: int
    recipe: dict[str, Any]
    space: Space
    fixed: dict[str, Any]

    def build(self, params: dict[str, Any]) -> tuple[Method, dict[str, Any]]:
        """The method and the recipe of one trial.

        Raises:
            SettingError: A setting is outside its domain.
        """
        tuned = {name: value for name, value in params.items() if name in self.recipe}
        settings = {name: value for name, value in params.items() if name not in self.recipe}
        return METHODS[self.method](**(self.fixed | settings)), self.recipe | tuned

    def defaults(self) -> dict[str, Any]:
        """The searched settings at the method's own (and the recipe's) values, moved into the space where outside."""
        method = METHODS[self.method](**self.fixed)
        values = {name: self.recipe[name] if name in self.recipe else getattr(method, name) for name in self.space}
        return {name: inside(self.space[name], value) for name, value in values.items()}

    def epochs_of(self, recipe: Any) -> int:
        """Epochs of a trial."""
        return self.epochs

    @property
    def tuned(self) -> bool:
        """Whether the recipe itself is searched."""
        return any(name in self.recipe for name in self.space)

    def inputs(self) -> dict[str, Any]:
        """Data and recipe as JSON values, to store and compare."""
        return {"data": self.loop, "recipe": {"epochs": self.epochs, "seed": self.seed} | self.recipe}


def loop_plan(
    method: str,
    loop: dict[str, Any],
    epochs: int,
    seed: int,
    recipe: Mapping[str, Any],
    fixes: Mapping[str, Any],
    spaces: Sequence[str | Mapping[str, Any]],
    tune: Sequence[str],
) -> LoopPlan:
    """Ranges of ``spaces`` for names of the recipe belong to the loop, the others to the method.

    Raises:
        UserError: A name is unknown, a value is outside its domain, or a range is empty.
    """
    known = {field.name for field in dataclasses.fields(METHODS[method])} | {"epochs", "seed"}
    for name in recipe:
        if name in known:
            raise UserError(f"{arg('recipe')}: {name!r} is taken: it is a setting of {method}, or an argument")
    own: Space = {}
    for name in tune:
        if name not in RECIPE or name not in recipe:
            way = f"give its usual value, as in {arg('recipe', {name: 1e-3})}, or a range in {arg('space')}"
            raise UserError(f"{arg('tune', name)}: {way}")
        own[name] = around(name, recipe[name])
    rest: list[str | Mapping[str, Any]] = []
    for part in spaces:
        if isinstance(part, str):
            rest.append(part)
            continue
        own |= {name: range_of(name, value, recipe[name]) for name, value in part.items() if name in recipe}
        rest.append({name: value for name, value in part.items() if name not in recipe})
    made = make_plan(method, Data(task="reviews"), Recipe(epochs=epochs, seed=seed), fixes, rest)
    return LoopPlan(method, loop, epochs, seed, dict(recipe), made.space | own, made.fixed)


def range_of(name: str, value: Any, usual: Any) -> BaseDistribution:
    """The range of a value of the loop; whole numbers where its usual value is one.

    Raises:
        UserError: It is no range, or the usual value is no number.
    """
    where = arg("space", {name: value})
    if isinstance(usual, bool) or not isinstance(usual, int | float):
        raise UserError(f"{where}: {name} is {usual!r} in {arg('recipe')}, and only numbers have ranges")
    low, high, log = parse_range(where, value, type(usual))
    return IntDistribution(low, high, log=log) if isinstance(usual, int) else FloatDistribution(low, high, log=log)
