"""Kinds of task: each is one file here, named in ``finetune.config.KindName``."""

from importlib import import_module
from typing import get_args

from finetune.config import KindName
from finetune.tasks.kind import Kind
from finetune.tasks.task import Task

KINDS: dict[KindName, Kind] = {name: import_module(f"finetune.tasks.{name}").KIND for name in get_args(KindName)}


def kind_for(task: Task) -> Kind:
    """The kind of a task, in the task's form."""
    return KINDS[task.kind].of(task)
