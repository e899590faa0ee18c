"""Modules of a model that methods look into: found by what the model tells, or by name."""

import re
from typing import Any

from torch import nn

from adv.settings import AttackError


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside a data-parallel wrapper, or the model."""
    inner = getattr(model, "module", None)
    return inner if isinstance(inner, nn.Module) else model


def named_module(model: nn.Module, layer_name: str) -> nn.Module:
    """The one module whose name the regular expression finds.

    Raises:
        AttackError: None, or more than one.
    """
    found: dict[str, nn.Module] = {name: module for name, module in model.named_modules() if re.search(layer_name, name)}
    if len(found) != 1:
        names = ", ".join(list(found)[:4]) or "none"
        raise AttackError(f"layer_name={layer_name!r} must match one module, but matches {len(found)} ({names})")
    (module,) = found.values()
    return module


def first_layer(model: nn.Module, layer_name: str | None) -> nn.Module:
    """The module called ``layer_name`` (regular expression), else the first item of the model's first ModuleList.

    Raises:
        AttackError: There is none, or more than one.
    """
    if layer_name is not None:
        return named_module(model, layer_name)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module):
            first: nn.Module = module[0]
            return first
    raise AttackError(f"{type(model).__name__} has no list of layers: set layer_name to its first layer")


def encoder_of(model: nn.Module, layer_name: str | None) -> nn.Module:
    """The module called ``layer_name`` (regular expression), else what transformers calls the base model.

    Raises:
        AttackError: There is none, or more than one.
    """
    if layer_name is not None:
        return named_module(model, layer_name)
    inner = unwrapped(model)
    prefix = getattr(inner, "base_model_prefix", "") or "base_model"
    found: Any = getattr(inner, prefix, None)
    if isinstance(found, nn.Module) and found is not inner:
        return found
    raise AttackError(f"{type(inner).__name__} does not tell its encoder: set layer_name to it")
