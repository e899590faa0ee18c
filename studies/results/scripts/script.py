"""A trial as a script that trains it outside of this project: with transformers' Trainer, or in a loop of its own."""

from typing import Any

from adv import METHODS
from finetune.arguments import arg
from finetune.config import TINY, Recipe
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.models.checkpoint import HEAD
from finetune.tasks.task import Task
from studies.results.best import Best, LoopBest
from studies.results.scripts.carried import arguments_of, left_out
from studies.results.scripts.outputs import outputs_of
from studies.results.scripts.rows import Reader, own_reader, reader_for
from studies.results.scripts.templates import pages

# Settings that change which weights train at which rate, or at all.
BY_LAYER = ("layer_decay", "head_learning_rate", "freeze_layers", "freeze_embeddings", "reinit_layers")


def as_trainer(best: Best | LoopBest) -> str:
    """A script with transformers' Trainer and the mixin of ``adv.trainer``.

    Raises:
        UserError: The Trainer cannot use the method, the configuration is for another loop, or its data cannot be read.
    """
    if METHODS[best.method](**best.settings).replays > 1:
        what = f"{best.method} needs each batch several times, and the Trainer gives it once"
        raise UserError(f"{arg('format', 'trainer')}: {what}; {arg('format', 'loop')} has a loop that repeats it")
    return written(best, "trainer")


def as_loop(best: Best | LoopBest) -> str:
    """A script with a plain loop that needs ``adv``, torch and transformers.

    Raises:
        UserError: The configuration is for another loop, or its data cannot be read.
    """
    return written(best, "loop")


def written(best: Best | LoopBest, format: str) -> str:
    """The script."""
    if isinstance(best, LoopBest):
        what = f"study {best.recorded.study!r} is of your own loop, {best.recorded.loop.get('loop')}"
        ways = f"{arg('format', 'python')} and {arg('format', 'cfg')} give the settings for it"
        raise UserError(f"{arg('format', format)}: {what}; {ways}")
    task, recipe = load_task(best.data, best.metric, best.folds), best.recipe
    left = left_out(recipe, format == "trainer")
    if task.folds > 1:
        left.append(f"the other folds: it trains and scores the first of {task.folds}, and the search's value is of all")
    folded, task = task.folds > 1, task.fold(0) if task.fold_of is not None else task
    values: dict[str, Any] = {"outputs": outputs_of(task, recipe, best.measured, left), "folded": folded}
    reader, whole = rows_and_model(best, task)
    if whole:
        left = [line for line in left if not line.startswith("multi_sample")]
    title = f"{best.method} from study {best.recorded.study}".replace("\\", " ").replace('"', "'")
    page = pages().get_template(f"{format}.py.jinja")
    values |= {"title": title, "best": best, "task": task, "recipe": recipe, "left": left, "reader": reader, "whole": whole}
    values |= {"kind": METHODS[best.method].__name__, "by_layer": any_changed(recipe, BY_LAYER)}
    values |= {"settings": ", ".join(f"{name}={value!r}" for name, value in best.settings.items())}
    out = values["outputs"]
    arguments = arguments_of(recipe, out.metric, out.maximize)
    found = page.render(**values, arguments=arguments, names=list(task.names), heads=list(out.names))
    return found.strip() + "\n"


def rows_and_model(best: Best, task: Task) -> tuple[Reader, bool]:
    """How the rows are read, and whether the model is built by this project too."""
    recipe, why = best.recipe, ""
    if recipe.model == TINY:
        why = "the built-in model is this project's"
    elif recipe.pooling != "stock":
        why = f"the head that pools by {recipe.pooling} is this project's"
    elif saved_head(recipe):
        why = f"the head in {HEAD} is this project's"
    if why:
        return own_reader(best.data, task, best.metric, why, best.folds), True
    found = reader_for(best.data, task, best.folds)
    return (own_reader(best.data, task, best.metric, found, best.folds) if isinstance(found, str) else found), False


def saved_head(recipe: Recipe) -> bool:
    """Whether the model's folder has a pooling head."""
    from pathlib import Path

    return (Path(recipe.model).expanduser() / HEAD).is_file()


def any_changed(recipe: Recipe, names: tuple[str, ...]) -> bool:
    """Whether one of these has another value than its default."""
    return any(getattr(recipe, name) != Recipe.model_fields[name].default for name in names)
