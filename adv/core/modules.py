"""Modules of a model that methods use: found through the model's own methods or by name, inside any wrappers."""

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from adv.core.settings import AttackError

COMPILED = "_orig_mod"
WRAPPERS = (COMPILED, "module")


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside data-parallel wrappers and ``torch.compile``, in any order, or the model."""
    while True:
        inner = next((found for name in WRAPPERS if (found := wrapped_in(model, name)) is not None), None)
        if inner is None:
            return model
        model = inner


def wrapped_in(model: nn.Module, name: str) -> nn.Module | None:
    """The module ``model.<name>``, if the model has nothing beside it."""
    inner = getattr(model, name, None)
    if not isinstance(inner, nn.Module) or any(child is not inner for child in model.children()):
        return None
    return None if any(True for _ in model.parameters(recurse=False)) else inner


def plain_name(name: str) -> str:
    """The name of a module or parameter in the uncompiled model."""
    return ".".join(part for part in name.split(".") if part != COMPILED)


def named_parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """``named_modules()`` of the model without wrappers; a compiled module is replaced by the one inside."""
    for name, module in unwrapped(model).named_modules():
        if wrapped_in(module, COMPILED) is None:
            yield plain_name(name), module


def named_weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """``named_parameters()`` of the model without wrappers."""
    for name, parameter in unwrapped(model).named_parameters():
        yield plain_name(name), parameter


def word_embeddings(module: nn.Module) -> nn.Module | None:
    """What ``module.get_input_embeddings()`` returns; None if there is no such method, or if it returns none."""
    try:
        found = module.get_input_embeddings()  # type: ignore[operator]
    except (AttributeError, NotImplementedError, TypeError):
        return None
    if not isinstance(found, nn.Module) or getattr(getattr(found, "weight", None), "ndim", 2) > 2:
        return None  # a vision model's convolution
    return unwrapped(found)


def telling(model: nn.Module, name: str = "") -> dict[str, nn.Module]:
    """The outermost modules that return their input embeddings, by name: the model, or the encoders inside it."""
    inner = unwrapped(model)
    if word_embeddings(inner) is not None:
        return {name: inner}
    found: dict[str, nn.Module] = {}
    for child_name, child in inner.named_children():
        more = telling(child, f"{name}.{child_name}".lstrip("."))
        found |= {key: module for key, module in more.items() if all(module is not known for known in found.values())}
    return found


def body(model: nn.Module) -> nn.Module:
    """The one module that returns its input embeddings, else the model."""
    found = list(telling(model).values())
    return found[0] if len(found) == 1 else unwrapped(model)


def named_module(model: nn.Module, layer_name: str) -> nn.Module:
    """The one module whose name the regular expression finds.

    Raises:
        AttackError: None, or more than one.
    """
    found: dict[str, nn.Module] = {name: module for name, module in named_parts(model) if re.search(layer_name, name)}
    if len(found) != 1:
        names = ", ".join(list(found)[:4]) or "none"
        raise AttackError(f"layer_name={layer_name!r} must match one module, but matches {len(found)} ({names})")
    (module,) = found.values()
    return module


def first_layer(model: nn.Module, layer_name: str | None) -> nn.Module:
    """The module called ``layer_name`` (regular expression), else the first item of the model's first ModuleList.

    In a model built around an encoder that returns its embeddings, the encoder is searched.

    Raises:
        AttackError: There is none, or more than one.
    """
    if layer_name is not None:
        return named_module(model, layer_name)
    inner = body(model)
    for module in inner.modules():
        if isinstance(module, nn.ModuleList) and len(module):
            return unwrapped(module[0])
    raise AttackError(f"{type(inner).__name__} has no list of layers: set layer_name to its first layer")


def encoder_of(model: nn.Module, layer_name: str | None) -> nn.Module:
    """The module called ``layer_name`` (regular expression), else what transformers calls the base model.

    In a model built around an encoder, that encoder; in an encoder-decoder without a base model, its encoder.

    Raises:
        AttackError: There is none, or more than one.
    """
    if layer_name is not None:
        return named_module(model, layer_name)
    inner = body(model)
    prefix = getattr(inner, "base_model_prefix", "") or "base_model"
    found: Any = getattr(inner, prefix, None)
    if not isinstance(found, nn.Module) and getattr(getattr(inner, "config", None), "is_encoder_decoder", False):
        found = inner.get_encoder()  # type: ignore[operator]
    if isinstance(found, nn.Module) and unwrapped(found) is not inner:
        return unwrapped(found)
    if inner is not unwrapped(model):
        return inner
    raise AttackError(f"cannot find the encoder of {type(inner).__name__}: set layer_name to it")
