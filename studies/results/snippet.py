"""An exported trial as a script that contains a training loop."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from adv import METHODS
from finetune.config import Recipe
from finetune.tasks.metrics import direction_of
from studies.results.best import Best, LoopBest

# Fields of the recipe that may put another loss on the model.
OF_THE_LOSS = ("loss", "label_smoothing", "class_weights")
TEMPLATE = Path(__file__).with_name("snippet.py.jinja")


LOOP = """# {title}: {metric} {value:.6g}, clean {clean:.6g}, one seed.
from adv import {kind}

method = {kind}({settings})
recipe = {recipe!r}
# In your loop: method.at({epoch}).backward(model, batch) instead of loss.backward().
"""


def as_python(best: Best | LoopBest) -> str:
    """A script that trains the configuration; it runs where this project's packages can be imported.

    For the user's own loop, it is the method with its settings. Values are written with ``repr``, so that names from data
    files stay text.
    """
    page = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    settings = ", ".join(f"{name}={value!r}" for name, value in best.settings.items())
    title = f"{best.method} from study {best.recorded.study}".replace("\\", " ").replace('"', "'")
    kind = METHODS[best.method].__name__
    if isinstance(best, LoopBest):
        values = {"metric": best.measured, "value": best.recorded.value, "clean": best.recorded.clean, "recipe": best.recipe}
        within = isinstance(best.settings.get("start_epoch", 0), float)  # it begins within an epoch
        epoch = "epoch + step / steps" if within else "epoch"
        return LOOP.format(title=title, kind=kind, settings=settings, epoch=epoch, **values)
    chooses = best.recipe.score != "last"
    return page.from_string(TEMPLATE.read_text()).render(
        title=title,
        best=best,
        kind=kind,
        settings=settings,
        recipe=best.recipe.model_dump(),
        averaged=best.recipe.average != "none" or chooses,
        chooses=chooses,
        maximize=direction_of(best.measured) == "maximize",
        forward=any(getattr(best.recipe, name) != Recipe.model_fields[name].default for name in OF_THE_LOSS),
        data=best.data.model_dump(),
    )
