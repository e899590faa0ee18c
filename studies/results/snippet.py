"""An exported trial as a script with a training loop of its own."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from adv import METHODS
from studies.results.best import Best

TEMPLATE = Path(__file__).with_name("snippet.py.jinja")


def as_python(best: Best) -> str:
    """A script that trains the configuration; runs where this project's packages can be imported.

    Values are written with ``repr``, so that names from data files stay text.
    """
    page = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    settings = ", ".join(f"{name}={value!r}" for name, value in best.settings.items())
    title = f"{best.method} from study {best.recorded.study}".replace("\\", " ").replace('"', "'")
    return page.from_string(TEMPLATE.read_text()).render(
        title=title,
        best=best,
        kind=METHODS[best.method].__name__,
        settings=settings,
        recipe=best.recipe.model_dump(),
        averaged=best.recipe.average != "none",
        data=best.data.model_dump(),
    )
