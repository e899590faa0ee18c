"""Plans from options as they are typed."""

from finetune.config import Data, Recipe
from studies.planning.plan import make_plan
from studies.planning.scalar import scalar


def plan_of(method, sets=(), ranges=(), space_file=None, tune=(), **recipe):
    """The plan of a command with these options on the built-in task."""
    spaces = [space_file] * (space_file is not None) + [dict(text.split("=", 1) for text in ranges)]
    fixes = {name: scalar(value) for name, value in (text.split("=", 1) for text in sets)}
    return make_plan(method, Data(task="reviews"), Recipe(**recipe), fixes, spaces, tune)
