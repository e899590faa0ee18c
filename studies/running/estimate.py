"""How long a search will take, estimated from the time of clean training."""

from collections.abc import Mapping, Sequence
from statistics import mean, median
from typing import Any

from adv import Method, SettingError
from finetune.words import counted
from studies.planning.loop_plan import LoopPlan
from studies.planning.plan import Plan
from studies.running.sampling import design_point

# How many points of the space the cost is averaged over: the search's first points.
DRAWN = 32


def seconds_of(plan: Plan | LoopPlan, epochs: Sequence[float], reuse: bool) -> float:
    """Seconds of a trial according to its passes, averaged over the space.

    Args:
        plan: What is searched.
        epochs: Seconds of each clean epoch.
        reuse: Whether clean epochs before the attack are shared.
    """
    found = []
    for number in range(DRAWN if plan.space else 1):
        try:
            method, recipe = plan.build(design_point(plan.space, plan.seed, number))
        except SettingError:  # settings that exclude each other fail at once
            continue
        attacked = max(0, plan.epochs_of(recipe) - method.start_epoch)
        clean = 0 if reuse and not plan.tuned else plan.epochs_of(recipe) - attacked
        found.append((attacked * method.cost().relative + clean) * median(epochs))
    return mean(found) if found else 0.0


def passes_in(method: Method, epochs: float) -> float:
    """The passes of so many epochs with a method, where a clean epoch counts 1."""
    attacked = max(0, epochs - method.start_epoch)
    return attacked * method.cost().relative + epochs - attacked


def seconds_of_run(method: Method, recipe: Mapping[str, Any], epochs: Sequence[float]) -> float:
    """Seconds of one run of a confirmation, by its passes.

    Args:
        method: Its method.
        recipe: What differs from the recipe of clean training.
        epochs: Seconds of each clean epoch.
    """
    return passes_in(method, int(recipe.get("epochs", len(epochs)))) * median(epochs)


def estimate(
    plan: Plan | LoopPlan, epochs: Sequence[float], left: int, reuse: bool, pruned: bool, workers: int = 1, abreast: int = 1
) -> str | None:
    """A sentence to print before the first trial; None if nothing is left to do or nothing is known.

    Those workers that compute ``abreast`` are reckoned to be as fast as this process alone, one trial each.
    """
    each = seconds_of(plan, epochs, reuse) if epochs and left else 0.0
    if not each:
        return None
    less = "; less with pruning" if pruned else ""
    trials = f"the {left} remaining trials" if left > 1 else "the remaining trial"
    most = -(-left // abreast)  # trials of the worker that has the most
    by = f" by {counted(workers, 'worker')}" if workers > 1 else ""
    by += f" at the speed of {abreast}" if abreast < workers else ""
    return f"an estimate: about {duration(each * most)} for {trials}{by}, {duration(each)} each by their passes{less}"


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, with two digits."""
    size, unit = (3600, "h") if seconds >= 5400 else (60, "min") if seconds >= 90 else (1, "s")
    count = seconds / size
    return f"{count:.0f} {unit}" if count >= 10 else f"{count:.2g} {unit}"
