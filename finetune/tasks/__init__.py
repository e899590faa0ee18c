"""Kinds of task: each is one file here, named in ``finetune.config.KindName``."""

from collections.abc import Mapping
from importlib import import_module
from typing import get_args

from finetune.config import KindName
from finetune.tasks.kind import Kind, Measure
from finetune.tasks.task import Task

KINDS: dict[KindName, Kind] = {name: import_module(f"finetune.tasks.{name}").KIND for name in get_args(KindName)}


def kind_for(task: Task) -> Kind:
    """The kind of a task, in the task's form."""
    return KINDS[task.kind].of(task)


def measures_for(task: Task) -> Mapping[str, Measure]:
    """The metrics of a task by name: those of its kind, and the user's own."""
    kind = kind_for(task)
    return {**kind.measures, **{own.name: own.measure(kind, task.names) for own in task.own}}
