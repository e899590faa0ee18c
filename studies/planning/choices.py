"""What the program chose for the user, with the reasons, in one line."""

from finetune.arguments import arg
from finetune.config import TINY, Recipe
from finetune.machine import cores, usual_device
from finetune.words import counted
from spaces import RECIPE
from studies.planning.plan import Plan
from studies.planning.resolve import Job


def scored(recipe: Recipe, tuned: bool = False) -> list[str]:
    """A line if runs are judged by chosen evaluations: what a value means, and what the choice keeps on disk.

    Args:
        recipe: How runs are trained.
        tuned: Whether epochs are searched: then trials have other numbers of evaluations.
    """
    if recipe.score == "last":
        return []
    many = "evaluations" if tuned else counted(recipe.epochs * recipe.evals_per_epoch, "evaluation")
    what = {"best": "the best of its", "soup": "the metric of the mean weights of the best three of its"}[recipe.score]
    copies = {"best": "one copy", "soup": "three copies"}[recipe.score]
    value = f"{arg('score', recipe.score)}: the value of a run is {what} {many}"
    how = "clean training's too, and evaluations before an attack begins count"
    return [f"{value} ({how}), so it looks better than its weights are; its snapshots have {copies} more of the weights"]


def unpruned(metric: str, second: str) -> str:
    """A line for a study with two metrics."""
    why = f"what falls behind in {metric} may be ahead in {second}"
    return f"no trial is stopped early: {why} (with one metric, trials may be; {arg('metric', metric)})"


def alone(threads: int, given: bool, trials: int) -> list[str]:
    """The choice of one worker, where the machine has room for several; empty where it has not.

    Args:
        threads: CPU threads of a run.
        given: Whether the user gave their number.
        trials: Trials of the study.
    """
    many = min(at_once(threads if given else 1), trials)
    if many < 2:
        return []
    each = max(1, cores() // many)
    fewer = f", in a new study with {counted(each, 'thread')} each" if usual_device() == "cpu" and each < threads else ""
    return [f"1 worker ({arg('workers', many)} trains {many} trials at once{fewer})"]


def at_once(threads: int) -> int:
    """How many runs with so many CPU threads this machine can train at full speed at once: on GPUs, one on each."""
    import torch

    return torch.cuda.device_count() or cores() // threads


def choices(job: Job[Plan]) -> list[str]:
    """A line with every choice that the user left open, and a line if a fast path is not used.

    Args:
        job: What to search.
    """
    recipe, given = job.plan.recipe, job.request.given
    found = []
    if "threads" not in given:
        small = "more would wait for each other on so small a model"
        whole = job.request.running.workers == 1
        usual = "all that this process may use" if whole else "a worker's share of the cores"
        why = small if recipe.model == TINY else usual
        found.append(f"{counted(recipe.threads, 'thread')} ({why}; {arg('threads')})")
    if "workers" not in given:
        found += alone(recipe.threads, "threads" in given, job.trials)
    if "precision" not in given:
        found.append(f"{recipe.precision} (the same numbers on more machines; {arg('precision')})")
    order = f"in an order drawn from {arg('seed', recipe.seed)} for each epoch"
    found.append(f"texts of similar length in a batch (less padding), {order}")
    late = getattr(job.plan.space.get("start_epoch"), "high", job.plan.fixed.get("start_epoch", 0)) > 0
    reuse = job.request.running.prefix_reuse
    if reuse and late and not job.plan.tuned:
        apart = f"same values; {arg('prefix_reuse', False)}"
        found.append(f"clean epochs before start_epoch are trained once for all trials ({apart})")
    lines = [f"chosen: {'; '.join(found)}", *scored(recipe, "epochs" in job.plan.space)]
    if reuse and late and job.plan.tuned:
        searched = [name for name in job.plan.space if name in RECIPE]
        lines.append(f"clean epochs are not shared between trials: {', '.join(searched)} changes them from trial to trial")
    return lines
