"""Kinds of task: each is one file here, named in ``finetune.config.KindName``."""

from importlib import import_module
from typing import get_args

from finetune.config import KindName
from finetune.tasks.kind import Kind

KINDS: dict[KindName, Kind] = {name: import_module(f"finetune.tasks.{name}").KIND for name in get_args(KindName)}
