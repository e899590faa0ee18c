"""What can be refused before anything slow is imported: names, and the user's files."""

from dataclasses import replace
from pathlib import Path

from finetune.data.load import load_task
from finetune.errors import UserError, near
from finetune.tasks.metrics import named
from finetune.tasks.task import Task
from spaces import SPACES
from studies.planning.request import Request


def refuse_names(request: Request) -> Request:
    """Refuse methods and metrics that do not exist; "all" means all methods that attack.

    Raises:
        UserError: A method or metric does not exist.
    """
    if request.aim.metric is not None:
        named(request.aim.metric)
    if request.aim.method == ("all",):
        aim = request.aim.model_copy(update={"method": tuple(name for name in SPACES if name != "none")})
        return replace(request, aim=aim)
    for name in request.aim.method:
        if name not in SPACES:
            raise UserError(f"unknown method {name!r}{near(name, SPACES)}")
    return request


def read_early(request: Request) -> Task | None:
    """Read the user's files before anything slow is imported, so that a wrong column is reported at once.

    Returns:
        The task; None for a built-in task or one from the hub, which take longer to read.

    Raises:
        UserError: The data cannot be used.
    """
    data = request.data
    if data.train_file is None and not (data.data is not None and Path(data.data).expanduser().exists()):
        return None
    return load_task(data, request.aim.metric, request.folds)
