"""Recipe parameters that are searched: their ranges, and what they are in trial 0."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from finetune.arguments import arg
from finetune.config import Recipe
from finetune.errors import UserError
from spaces.recipe import around

if TYPE_CHECKING:
    from finetune.training.bench import Bench
    from studies.planning.plan import Plan

# Of a pooling head, and of most other heads.
HEAD_DROPOUT = 0.1
# Parameters whose values may not fit the labels, which are read later.
OF_THE_LOSS = ("loss", "label_smoothing", "class_weights")


def range_of(name: str, recipe: Recipe) -> BaseDistribution:
    """The range of a recipe parameter.

    Raises:
        UserError: It depends on a choice that the recipe leaves open.
    """
    if name == "loss" and recipe.loss in (None, "focal"):
        ways = f"{arg('loss', 'cross_entropy')} or bce (then focal is tried too) or mse (and smooth_l1)"
        raise UserError(f"{arg('tune', 'loss')} needs the usual loss of the task, which says what else fits: {ways}")
    return around(name, usual(name, recipe))


def usual(name: str, recipe: Recipe) -> Any:
    """The recipe's value of a parameter, or what it is where the recipe leaves it open."""
    value, opened = getattr(recipe, name), {"head_learning_rate": recipe.learning_rate, "head_dropout": HEAD_DROPOUT}
    return opened.get(name) if value is None else value


def refuse_unfit(plans: Sequence["Plan"], bench: "Bench") -> None:
    """Refuse searched losses that do not fit the labels, and layers that the model does not have, before a trial fails.

    Raises:
        UserError: A value of the range does not fit.
    """
    for plan in plans:
        for name in OF_THE_LOSS:
            for value in ends(plan.space[name]) if name in plan.space else ():
                bench.forward_of(plan.recipe.model_copy(update={name: value}))
        if "layer_decay" in plan.space or "head_learning_rate" in plan.space:
            bench.try_out(plan.recipe.model_copy(update={"layer_decay": 0.9}))
    from studies.planning.fits_model import refuse_beyond

    refuse_beyond(plans[0], bench)  # all search the same parameters of the recipe


def ends(distribution: BaseDistribution) -> tuple[Any, ...]:
    """All choices, or the highest value of a range."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    return (distribution.high,) if isinstance(distribution, FloatDistribution) else ()
