"""What a recipe changes in a model before training: dropout of the head, layers that start anew, weights that stay.

Frozen layers: Lee et al. 2019 (arXiv 1911.03090) keep 90 % of the quality with three quarters of the layers frozen.
Layers that start anew: Zhang et al. 2021 (arXiv 2006.05987), for the last layers are too specialised on pretraining.
"""

import hashlib
from typing import Any

import torch
from torch import nn

from finetune.arguments import arg
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.layers import base_of, depths, layers_of
from finetune.words import counted


def change(model: nn.Module, recipe: Recipe) -> list[str]:
    """Apply the recipe's ``head_dropout``, ``reinit_layers``, ``freeze_embeddings`` and ``freeze_layers``.

    Returns:
        A line for each change of the weights.

    Raises:
        UserError: The model has nothing to change, or fewer layers.
    """
    if recipe.head_dropout is not None:
        drop_out(model, recipe.head_dropout)
    lines = []
    if recipe.reinit_layers:
        lines.append(start_anew(model, recipe.reinit_layers, recipe.seed))
    if recipe.freeze_embeddings or recipe.freeze_layers:
        lines.append(freeze(model, recipe.freeze_layers, recipe.reinit_layers))
    return lines


def drop_out(model: nn.Module, share: float) -> None:
    """Set the share of every dropout after the encoder.

    Raises:
        UserError: There is none.
    """
    inner = set(base_of(model).modules())
    found = [module for module in model.modules() if isinstance(module, nn.Dropout) and module not in inner]
    if not found or base_of(model) is model:
        what = f"{type(model).__name__} has no dropout after its encoder"
        raise UserError(f"{arg('head_dropout', share)}: {what}; {arg('pooling', 'mean')} gives it a head that has one")
    for module in found:
        module.p = share


def start_anew(model: nn.Module, count: int, seed: int) -> str:
    """Draw the last layers from the model's own initial distribution, and with them what the encoder does after them.

    A pooler that was trained on the old states is drawn again too, as in the paper.

    Raises:
        UserError: The model has fewer layers.
    """
    base: Any = base_of(model)
    layers = len(refuse_more(model, "reinit_layers", count))
    where = depths(model)
    own = {id(value) for value in base.parameters()}
    drawn = {id(value) for name, value in model.named_parameters() if where[name] > layers - count and id(value) in own}
    state = torch.get_rng_state()
    torch.manual_seed(drawn_from(seed, "layers"))
    with torch.no_grad():
        for module in reversed(list(base.modules())):  # parents after their parts: some draw the parts again, narrower
            held = list(module.parameters())
            if held and all(id(value) in drawn for value in held):
                for value in module.parameters(recurse=False):
                    value._is_hf_initialized = False  # else transformers leaves what was loaded
                base._init_weights(module)
    torch.set_rng_state(state)
    return f"{last_of(count, layers)} {'starts' if count == 1 else 'start'} anew"


def freeze(model: nn.Module, count: int, anew: int) -> str:
    """Let the embeddings and the first ``count`` layers as they are.

    Raises:
        UserError: The model has fewer layers, or these layers have just been drawn.
    """
    layers = len(refuse_more(model, "freeze_layers", count)) if count else 0
    if count and count + anew > layers:
        both = f"{arg('freeze_layers', count)} and {arg('reinit_layers', anew)}"
        raise UserError(f"{both} overlap: the model has {counted(layers, 'layer')}, and what starts anew must train")
    where = depths(model)
    for name, value in model.named_parameters():
        value.requires_grad_(value.requires_grad and where[name] > count)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    what = "its embeddings" + (f" and {first_of(count, layers)}" if count else "")
    whole = sum(value.numel() for value in model.parameters())
    return f"{what} stay as they are; {trained:,} of {whole:,} weights train"


def refuse_more(model: nn.Module, name: str, count: int) -> list[list[nn.Module]]:
    """The model's layers.

    Raises:
        UserError: There are fewer than ``count``.
    """
    layers = layers_of(model)
    if count > len(layers):
        raise UserError(f"{arg(name, count)}: the model has {counted(len(layers), 'layer')}")
    return layers


def first_of(count: int, layers: int) -> str:
    """Such as "the first 2 of 6 layers"."""
    return _some_of("first", count, layers)


def last_of(count: int, layers: int) -> str:
    """Such as "the last 2 of 6 layers"."""
    return _some_of("last", count, layers)


def _some_of(which: str, count: int, layers: int) -> str:
    if count == layers:
        return "its only layer" if layers == 1 else f"all {layers} layers"
    return f"the {which} of {layers} layers" if count == 1 else f"the {which} {count} of {layers} layers"


def drawn_from(seed: int, what: str) -> int:
    """A seed of its own for each thing that is drawn, so that an option changes nothing that it does not mean."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{what}".encode(), digest_size=8).digest()) >> 1
