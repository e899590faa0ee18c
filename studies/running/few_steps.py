"""Epochs with too few steps for what is asked of them, seen before the first trial."""

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from adv import Clean, SettingError
from finetune.errors import UserError
from finetune.training.bench import Bench
from finetune.training.steps import refuse_many, total_steps
from finetune.words import counted, short
from studies.planning.plan import Plan
from studies.planning.tuned import refuse_unfit


def refuse_untrainable(plans: Sequence[Plan], bench: Bench) -> None:
    """Refuse what data and model do not fit, before anything is written.

    Raises:
        UserError: A searched loss does not fit the labels, or an epoch has too few steps.
    """
    refuse_unfit(plans, bench)
    for plan in plans:
        refuse_few_steps(plan, bench)


def refuse_few_steps(plan: Plan, bench: Bench) -> None:
    """Refuse more evaluations in an epoch than it has steps, a start after the last step, and a single attacked batch.

    The fewest steps are those of the largest batches and most replays that are searched.

    Raises:
        UserError: Some trial could not be evaluated that often, or would not be attacked.
    """
    corner = {name: highest(distribution) for name, distribution in plan.space.items()}
    try:
        method, recipe = plan.build(corner)
    except (SettingError, UserError):  # settings that exclude each other
        method, recipe = plan.build(plan.defaults())
    refuse_many(bench.train, recipe, method.replays)
    steps = total_steps(bench.train, recipe) // recipe.epochs
    if not isinstance(method, Clean) and isinstance(method.at(recipe.epochs - 0.5 / steps), Clean):
        what = f"start_epoch {short(method.start_epoch, 6)} of {recipe.epochs} epochs leaves no step to attack"
        raise UserError(f"{what}: an epoch has {counted(steps, 'step')}")
    every, batches = getattr(method, "every", 1), steps * recipe.epochs * recipe.gradient_accumulation
    if every >= max(2, batches):
        raise UserError(f"every {every} attacks a single batch: a whole run has {batches}")


def highest(distribution: BaseDistribution) -> Any:
    """The largest number of a range; of choices the largest number, or the first word."""
    if isinstance(distribution, CategoricalDistribution):
        numbers = [choice for choice in distribution.choices if isinstance(choice, int | float)]
        return max(numbers, default=distribution.choices[0])
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.high
