"""Signatures and docstrings of the Python door, made from the fields of a request."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from finetune.arguments import as_arguments
from studies.planning.request import fields


def describe(function: Callable[..., Any], names: Sequence[str]) -> None:
    """Put arguments into a function's signature and docstring, instead of its ``**arguments``.

    Args:
        function: A function of the Python door.
        names: Names of the fields that it takes.
    """
    known = dict(fields())
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    keyword = inspect.Parameter.KEYWORD_ONLY
    more = [
        inspect.Parameter(name, keyword, default=known[name].get_default(), annotation=known[name].annotation)
        for name in names
    ]
    function.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
    lines = [f"        {name}: {as_arguments(str(known[name].description))}." for name in names]
    function.__doc__ = "\n".join([str(function.__doc__), "    Arguments:", *lines, "    "])
