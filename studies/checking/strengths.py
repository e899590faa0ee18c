"""The curve that a search measures: how the loss rises with the strength of the attack, after clean training."""

from typing import Any

from adv import METHODS, Clean
from finetune.arguments import arg
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.loop import Training
from finetune.training.steps import total_steps
from studies.calibrating.measured import measure, trained_until
from studies.planning.plan import make_plan
from studies.planning.request import Request
from studies.running.calibrated import clean_for

# Clean training that takes more seconds than this is only done if the user asks for the curve.
SECONDS = 60.0


def curve_of(bench: Bench, request: Request, step: float) -> dict[str, Any] | None:
    """What a search would measure before its first trial.

    Args:
        bench: Data and model.
        request: One method with its settings, data and recipe.
        step: Seconds of a clean step.

    Returns:
        As ``calibrating.measured.measure``, also for settings of the strength that are fixed here; only ``why`` if it is not
        measured, and None if there is no strength.
    """
    recipe, name, given = request.recipe, request.aim.method[0], "calibrate" in request.given
    if not request.running.calibrate:
        return None
    plan = make_plan(name, request.data, recipe, others(name, request.aim.set))
    after = clean_for(plan)
    seconds = step * total_steps(bench.train, recipe) * after / (recipe.epochs * recipe.evals_per_epoch)
    if seconds > SECONDS and not given:
        what = f"the attack's strength is not measured, as its clean training would take about {seconds:.0f} s"
        return {"why": f"{what} ({arg('calibrate', True)} measures it)"}
    return measure(plan, lambda count: trained_until(count, training_of(bench, recipe), None), after)


def training_of(bench: Bench, recipe: Recipe) -> Training:
    """Clean training, not yet begun."""
    return Training(bench, recipe, Clean())


def others(method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are neither the attack's strength nor its start."""
    null = {name for group in METHODS[method].null for name in group}
    return {name: value for name, value in settings.items() if name not in null | {"start_epoch"}}
