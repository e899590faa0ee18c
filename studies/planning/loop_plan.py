"""What is searched for your own training loop."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from adv import METHODS, Method
from finetune.arguments import arg
from finetune.config import Data, Recipe
from finetune.errors import UserError
from spaces import RECIPE, Space
from spaces.recipe import ALIKE, around
from studies.planning.plan import inside, make_plan
from studies.planning.ranges import parse_range


@dataclasses.dataclass(frozen=True)
class LoopPlan:
    """A method, its space and fixed settings, and the values that your own loop uses.

    Args:
        method: A key of ``adv.METHODS``.
        loop: The function's name, and the user's description of its data.
        epochs: Epochs of each run.
        seed: Seed of sampler and runs.
        recipe: Other values of the loop; searched values override them.
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
            SettingError: A value is not allowed.
        """
        tuned = {name: value for name, value in params.items() if name in self.recipe}
        settings = {name: value for name, value in params.items() if name not in self.recipe}
        return METHODS[self.method](**(self.fixed | settings)), self.recipe | tuned

    def defaults(self) -> dict[str, Any]:
        """The defaults of the searched settings, moved to the nearest value in the space if they lie outside."""
        method = METHODS[self.method](**self.fixed)
        values = {name: self.recipe[name] if name in self.recipe else getattr(method, name) for name in self.space}
        return {name: inside(self.space[name], value) for name, value in values.items()}

    def epochs_of(self, recipe: Any) -> int:
        """The number of epochs of a trial."""
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
    """Make the plan: ranges in ``spaces`` for names of the recipe belong to the loop, all others to the method.

    Raises:
        UserError: A name is unknown, a value is not allowed, or a range is empty.
    """
    known = {field.name for field in dataclasses.fields(METHODS[method])} | {"epochs", "seed"}
    for name in recipe:
        if name in known:
            raise UserError(f"{arg('recipe')}: {name!r} is taken: it is a setting of {method}, or an argument")
    own: Space = {}
    for name in tune:
        if name == "epochs":
            raise UserError(f"{arg('tune', name)}: your own loop has the same {arg('epochs')} in all trials")
        if name not in RECIPE or name not in recipe:
            way = f"give its default value, as in {arg('recipe', {name: 1e-3})}, or a range in {arg('space')}"
            raise UserError(f"{arg('tune', name)}: {way}")
        if name == "loss" and str(recipe[name]) not in ALIKE:
            raise UserError(f"{arg('tune', name)}: what could replace {recipe[name]!r}, a loss of your own, is not known")
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
    """The range of a value of the loop; whole numbers if its default value is a whole number.

    Raises:
        UserError: It is not a range, or the default value is not a number.
    """
    where = arg("space", {name: value})
    if isinstance(usual, bool) or not isinstance(usual, int | float):
        raise UserError(f"{where}: {name} is {usual!r} in {arg('recipe')}, and only numbers have ranges")
    low, high, log = parse_range(where, value, type(usual))
    return IntDistribution(low, high, log=log) if isinstance(usual, int) else FloatDistribution(low, high, log=log)
