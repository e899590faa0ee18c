"""Compiled models: attacked passes run the original code, because an attack uses hooks and moves weights."""

import functools
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

import torch
from torch import nn

from adv.core.modules import COMPILED, wrapped_in

P = ParamSpec("P")
T = TypeVar("T")
UNCOMPILED = (
    "the model is compiled: attacked passes run it uncompiled, because compiled code sees neither the perturbation nor "
    "every moved weight. Clean training stays compiled"
)
# An attribute of a model whose user knows that.
KNOWN = "_attacked_uncompiled"


def eagerly() -> AbstractContextManager[object]:
    """A context in which nothing runs compiled: modules (in place or not), functions, and parts of them."""
    # Importing the compiler takes seconds, and without it nothing is compiled.
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def is_compiled(model: nn.Module) -> bool:
    """Whether the model or a part of it was compiled, with ``torch.compile(module)`` or ``module.compile()``."""
    if "torch._dynamo" not in sys.modules:
        return False
    return any(m._compiled_call_impl is not None or wrapped_in(m, COMPILED) is not None for m in model.modules())


def attacked_uncompiled(model: nn.Module) -> None:
    """Note that whoever compiled the model has said that attacked passes run uncompiled: no warning repeats it."""
    setattr(model, KNOWN, True)


def tell_if_compiled(model: nn.Module) -> None:
    """Warn that the compiled code is not used; Python shows the warning once."""
    if not getattr(model, KNOWN, False) and is_compiled(model):
        warnings.warn(UNCOMPILED, stacklevel=2)


def untraced(step: Callable[P, T]) -> Callable[P, T]:
    """The step, never compiled, also when a compiled function calls it (a training step that was compiled as one)."""

    @functools.wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # Asked first, because whoever traces this would look at every one of the modules, which takes a second.
        if not torch.compiler.is_dynamo_compiling() and "torch._dynamo" not in sys.modules:
            return step(*args, **kwargs)
        opaque: Any = torch.compiler.disable(step)  # type: ignore[no-untyped-call]
        result: T = opaque(*args, **kwargs)
        return result

    return run
