"""Studies that were named by an earlier rule."""

from dataclasses import replace
from typing import Any

from optuna.storages import RDBStorage

from finetune.data.load import task_name
from studies.planning.identity import data_of, known_identity
from studies.planning.plan import Plan
from studies.planning.resolve import Job
from studies.running.begin import find_study


def named_before(job: Job[Plan], storage: RDBStorage) -> tuple[Job[Plan], list[str]]:
    """The job under the name of version 0.1.0, if a study of that name exists and none of today's name.

    The default study of a task that happens to have that name is a different study.

    Returns:
        The job, and a line that says so.
    """
    earlier = job.request.earlier_name(job.plan.method)
    if earlier is None or find_study(storage, job.name) is not None:
        return job, []
    there = find_study(storage, earlier)
    begun = None if there is None else known_identity(there)
    if begun is None or "loop" in begun["data"] or earlier == default_name(begun):
        return job, []
    why = f"version 0.1.0 gave it that name; today's is {job.name}"
    return replace(job, name=earlier), [f"study {earlier} exists and goes on ({why})"]


def default_name(about: dict[str, Any]) -> str:
    """The default name of a study."""
    return f"{about['data'].get('task') or task_name(data_of(about))}-{about['method']}"
