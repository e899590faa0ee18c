"""The command, or the call, that goes on with a search."""

from collections.abc import Callable, Mapping
from typing import Any

from finetune.arguments import arg
from studies.planning.request import GROUPS, SEVERAL, STORAGE, Request
from studies.running.storage import public


def command_of(
    request: Request, render: Callable[[str], str], loop: str | None = None, more: Mapping[str, Any] | None = None
) -> str:
    """What a user types to go on with a search, in one line; a password in it is hidden.

    Args:
        request: The search, as requested.
        render: Turns a message into its reader's words: arguments or options.
        loop: Name of the user's own loop, if it trains.
        more: Further arguments of the call.

    Example:
        >>> from finetune.arguments import as_arguments, as_options
        >>> from studies.planning.request import request_of
        >>> asked = request_of({"trials": 30, "set": {"K": 3}, "prefix_reuse": False})
        >>> command_of(asked, as_options)
        'python search.py --trials 30 --set K=3 --no-prefix-reuse'
        >>> command_of(asked, as_arguments, "my.train")
        "tune(train, trials=30, set={'K': 3}, prefix_reuse=False)"
    """
    given = [(name, value) for name in names(request) for value in values(request, name)]
    words = [render(arg(name, value)) for name, value in [*given, *(more or {}).items()]]
    if all(word.startswith("--") for word in words) and loop is None:
        return " ".join(["python search.py", *words])
    return f"tune({', '.join([loop.rpartition('.')[2], *words])})" if loop else f"search({', '.join(words)})"


def elsewhere(storage: str, out: str) -> list[str]:
    """The arguments that say where a study and its files are, unless they are at the usual places."""
    words = [] if storage == STORAGE else [arg("storage", public(storage))]
    return words if out == "runs" else [*words, arg("out", out)]


def names(request: Request) -> list[str]:
    """The arguments that were given, in the order of the fields; those of a config are in its file."""
    given = request.given if request.typed is None else request.typed
    return [name for group in GROUPS.values() for name in group.model_fields if name in given]


def values(request: Request, name: str) -> list[Any]:
    """The values of an argument; files and ranges of a space are given one by one."""
    group = next(group for group, fields in GROUPS.items() if name in fields.model_fields)
    value = getattr(getattr(request, group), name) if request.typed is None else request.typed[name]
    if name == "storage":
        return [public(value)]
    if name in ("space", "start"):
        return list(value)
    return [value[0]] if name in SEVERAL and len(value) == 1 else [value]
