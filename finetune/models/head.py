"""The last layer of a model: change its weights so that its output has other units or another order."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from finetune.tasks.kind import Scale

# Predictions this close count as equal: in standard deviations or logits, and as a share of a large mean.
CLOSE = 1e-3
ROUNDING = 1e-6


def in_units(
    model: nn.Module,
    batch: dict[str, Tensor],
    mean: NDArray[np.floating],
    std: NDArray[np.floating],
    order: Sequence[int] | None = None,
) -> tuple[dict[str, Tensor], str]:
    """Weights with which the model outputs ``std * logits[order] + mean``, and the name of a changed layer norm, or "".

    The head is the last linear layer with as many outputs as there are targets. If it has no bias, the layer norm
    before it takes the mean: ``W' (x + d) = std W x + mean`` with ``W' = std W`` and ``W d = mean / std``.

    Args:
        model: In evaluation mode; it is not changed.
        batch: Some rows, without labels; the new weights are tried on them.
        mean: Added to each output; shape (outputs,).
        std: Multiplied with each output; shape (outputs,).
        order: For each new output, the number of the old one; by default the order stays.

    Returns:
        The weights to replace, by name; empty if there is no such layer.
    """
    scale, shift = (torch.from_numpy(np.asarray(value, np.float64)) for value in (std, mean))
    take = torch.arange(len(scale)) if order is None else torch.tensor(order)
    seen, before = calls_of(model, batch)
    heads = [(name, module, inputs) for name, module, inputs, _ in seen if _gives(module, len(scale))]
    if not heads:
        return {}, ""
    name, head, inputs = heads[-1]
    weight = head.weight.detach().double().cpu()[take]
    changed, used = {f"{name}.weight": scale[:, None] * weight}, ""
    norms = [(norm, module) for norm, module, _, output in seen if _shifts(module) and _same(output, inputs)]
    if head.bias is not None:
        changed[f"{name}.bias"] = scale * head.bias.detach().double().cpu()[take] + shift
    elif norms and shift.any():
        used, module = norms[-1]
        changed[f"{used}.bias"] = module.bias.detach().double().cpu() + torch.linalg.pinv(weight) @ (shift / scale)
    known = dict(model.named_parameters())
    changed = {key: value.to(known[key]) for key, value in changed.items()}
    with torch.no_grad():
        found = functional_call(model, changed, kwargs=batch).logits.double().cpu()
    expected = before.double().cpu()[..., take] * scale + shift
    return (changed, used) if near(found.numpy(), expected.numpy(), mean, std) else ({}, "")


def take_over(model: Any, batch: dict[str, Tensor], was: dict[int, str], names: dict[int, str], scale: Scale | None) -> str:
    """Adapt a loaded head to training: standardise its output, or put its classes into the order of the data.

    Args:
        model: In evaluation mode; its head is changed.
        batch: A text that the model can read.
        was: The names of the head's outputs.
        names: Their names in the data.
        scale: How the output becomes a target; None if labels have no units.

    Returns:
        What was done, as the end of a sentence.
    """
    if scale is not None and scale.log_odds:
        return " as it is: its output is read as log-odds"
    try:
        if scale is not None:
            changed = in_units(model, batch, -scale.mean / scale.std, 1 / scale.std)[0]
            done = "its output standardised like the targets"
        elif was != names and sorted(was.values()) == sorted(names.values()):
            where = {name: number for number, name in was.items()}
            order = [where[names[i]] for i in sorted(names)]
            changed = in_units(model, batch, np.zeros(len(order)), np.ones(len(order)), order)[0]
            done = "its classes in the order of the data"
        else:
            return ""
    except Exception:  # the model cannot read this text; Fit says why, on the data
        changed = {}
    if not changed:
        return " as it is: its output has its own units or order"
    known = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in changed.items():
            known[name].copy_(value)
    return f", {done}"


def near(found: NDArray[Any], expected: NDArray[Any], mean: Any, std: Any) -> bool:
    """Equal except for rounding: of the standardised value, and of a mean that may be much larger than the deviation."""
    allowed = CLOSE * np.maximum(std, np.abs(expected - mean)) + ROUNDING * np.abs(mean)
    return bool((np.abs(found - expected) <= allowed).all())


def calls_of(model: nn.Module, batch: dict[str, Tensor]) -> tuple[list[tuple[str, Any, Any, Any]], Tensor]:
    """Every linear layer and layer norm that was called: name, module, input, output; and the model's output."""
    seen: list[tuple[str, Any, Any, Any]] = []
    with ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            if _gives(module, None) or _shifts(module):
                handle = module.register_forward_hook(
                    lambda module, inputs, output, name=name: seen.append(
                        (name, module, inputs[0] if inputs else None, output)
                    )
                )
                hooks.callback(handle.remove)
        return seen, model(**batch).logits


def _gives(module: Any, outputs: int | None) -> bool:
    return isinstance(module, nn.Linear) and outputs in (None, module.out_features)


def _shifts(module: Any) -> bool:
    return isinstance(module, nn.LayerNorm) and module.bias is not None


def _same(one: Any, other: Any) -> bool:
    return bool(other is not None and one.data_ptr() == other.data_ptr() and one.numel() == other.numel())
