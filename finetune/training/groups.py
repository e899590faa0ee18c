"""AdamW and its parameter groups: what decays, and which layers learn at which rate."""

from typing import Any

import torch
from torch import nn

from adv.core.compiled import eagerly
from finetune.config import Recipe
from finetune.models.layers import depths, layers_of


def adamw(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW, fused; no decay for biases and norms. Each group has its peak rate as ``initial_lr`` too.

    With ``layer_decay`` d, a parameter of depth k in an encoder of L layers (embeddings 0, head L + 1) has the peak rate
    ``learning_rate * d ** (L + 1 - k)`` (Clark et al. 2020, Bao et al. 2022). ``head_learning_rate`` replaces the head's.

    Raises:
        UserError: The depths of the parameters cannot be told, and rates depend on them.
    """
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    rates = {name: recipe.learning_rate for name in weights}
    if by_depth(recipe):
        rates = layer_rates(model, recipe)
    groups = list[dict[str, Any]]()
    # With one rate, these are the two groups that there always were: snapshots hold states by position.
    for rate in dict.fromkeys(rates[name] for name in weights) or [recipe.learning_rate]:
        alike = [p for name, p in weights.items() if rates[name] == rate]
        decaying, plain = [p for p in alike if p.dim() > 1], [p for p in alike if p.dim() <= 1]
        groups.append({"params": decaying, "weight_decay": recipe.weight_decay, "lr": rate})
        groups.append({"params": plain, "weight_decay": 0.0, "lr": rate})
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]
    return optimiser


def by_depth(recipe: Recipe) -> bool:
    """Whether rates depend on the depths of layers."""
    return recipe.layer_decay != 1 or recipe.head_learning_rate is not None


def layer_rates(model: nn.Module, recipe: Recipe) -> dict[str, float]:
    """The peak rate of every parameter, by its name."""
    with eagerly():  # compiled code does not show which module is called when
        found, head = depths(model), len(layers_of(model)) + 1
    rates = {name: recipe.learning_rate * recipe.layer_decay ** (head - depth) for name, depth in found.items()}
    if recipe.head_learning_rate is not None:
        rates |= {name: recipe.head_learning_rate for name, depth in found.items() if depth == head}
    return rates
