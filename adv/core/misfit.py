"""A batch that does not fit the model: distinguished from an error inside the model; the message shows a ``forward=``."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from adv.core.modules import unwrapped

LABELS = re.compile(r"label|target|^y|score|answer|class")


WHOLE = ("inputs", "batch", "features", "data", "sample", "x")


def parameters_of(model: nn.Module) -> dict[str, inspect.Parameter]:
    """The parameters of the model's forward, by name; none if they are unknown."""
    try:
        return dict(inspect.signature(unwrapped(model).forward).parameters)
    except (TypeError, ValueError):
        return {}


def fits(model: nn.Module, batch: Mapping[str, Any], error: TypeError) -> bool:
    """Whether the model's forward accepts the call ``model(**batch)``, so that ``error`` comes from inside."""
    try:
        inspect.signature(unwrapped(model).forward).bind(**batch)
    except TypeError:
        return False
    except ValueError:
        return True
    # A name that is passed on by **kwargs may be unknown further inside.
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    passed = any(p.kind is p.VAR_KEYWORD for p in parameters_of(model).values())
    return not (passed and unknown and unknown[1] in batch)


def misfit(model: nn.Module, batch: Any) -> str:
    """One line: what the model takes, what the batch is, and a ``forward=`` that fits both."""
    kind, known = type(unwrapped(model)).__name__, parameters_of(model)
    if isinstance(batch, Mapping):
        what = f"the batch's {', '.join(map(str, batch))} do not fit {kind}.forward({', '.join(known)})"
    else:
        what = f"the batch is of type {type(batch).__name__}, and {kind} is called as model(**batch)"
    example = f"criterion(model({inputs(known, batch)}), {labels(batch)})"
    return f"{what}: pass forward=, as in forward=lambda model, batch: {example}"


def names_in(batch: Any) -> list[str]:
    """The parts of a batch, in order, as a user writes them."""
    if isinstance(batch, Mapping):
        return [f'batch["{key}"]' if isinstance(key, str) else f"batch[{key!r}]" for key in batch]
    if isinstance(batch, list | tuple):
        return [f"batch[{number}]" for number in range(len(batch))]
    return [f"batch.{key}" for key in getattr(batch, "__dict__", {})]


def labels(batch: Any) -> str:
    """The part of the batch that is its labels, as a user writes it."""
    names = names_in(batch) or ['batch["y"]']
    return next((name for name in names if LABELS.search(re.sub(r'^batch(\["|\.)', "", name))), names[-1])


def inputs(known: Mapping[str, inspect.Parameter], batch: Any) -> str:
    """The arguments of the model, as a user writes them."""
    if isinstance(batch, Mapping):
        shared = [name for name in known if name in batch and not LABELS.search(name)]
        if shared:
            return ", ".join(f'batch["{name}"]' for name in shared)
        if next(iter(known), "") in WHOLE[:-1]:
            return "batch"
    names = [name for name in names_in(batch) if name != labels(batch)] or ['batch["x"]']
    wanted = sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in known.values())
    return ", ".join(names[: max(1, wanted)])
