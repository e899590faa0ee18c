"""How deep each weight lies: embeddings, the encoder's layers in order, the head. Found by structure, for any family.

The layers are the ``nn.ModuleList`` of alike blocks with the most weights. What lies outside of them is placed by when it
is called in one pass over a few tokens, because neither names nor the order of registration tell: OPT registers its final
norm before its layers, BART the norm of its embeddings after them, and DeBERTa's ``encoder.LayerNorm`` belongs to its
relative positions.
"""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from finetune.errors import UserError, first_line

# Tokens of the pass that shows the order.
TOKENS = 8
# One layer: its blocks. Most have one; XLM keeps attentions, feed-forward parts and norms in lists of their own.
Layer = list[nn.Module]


def depths(model: nn.Module) -> dict[str, int]:
    """The depth of every parameter, by its name: 0 for embeddings, 1 to L for the layers, L + 1 for pooler and head.

    What acts on embeddings before the first layer has depth 0, wherever it is kept. What the encoder does between two
    layers, or after the last one (its final norm), has the depth of the layer before. Layers that share weights (ALBERT)
    count once. In an encoder-decoder, the decoder's layers follow the encoder's.

    Args:
        model: A model of transformers, or another that takes ``input_ids`` and ``attention_mask``. Its base model is called
            once in evaluation mode; weights, modes and random numbers stay as they are.

    Raises:
        UserError: There is no list of alike blocks, or the model cannot be called.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> shape = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
        >>> found = depths(BertForSequenceClassification(BertConfig(**shape, num_hidden_layers=2)))
        >>> found["bert.embeddings.LayerNorm.bias"], found["bert.encoder.layer.1.output.dense.bias"]
        (0, 2)
        >>> found["bert.pooler.dense.bias"], found["classifier.bias"]
        (3, 3)
    """
    base = base_of(model)
    layers, homes = _layers_and_homes(base)
    last = len(layers)
    inside = {module: n for n, layer in enumerate(layers, 1) for block in layer for module in block.modules()}
    begun = _begun(base, inside)
    found: dict[int, int] = {}
    for name, module in base.named_modules():
        depth = inside.get(module, 0 if isinstance(module, nn.Embedding) else begun.get(module, last + 1))
        if depth == last and module not in inside and not _of_the_encoder(name, module, homes):
            depth = last + 1
        for value in module.parameters(recurse=False):
            found.setdefault(id(value), depth)
    return {name: found.get(id(value), last + 1) for name, value in model.named_parameters()}


def layers_of(model: nn.Module) -> list[Layer]:
    """The encoder's layers in order; the decoder's follow.

    Raises:
        UserError: There is no list of alike blocks.
    """
    return _layers_and_homes(base_of(model))[0]


def base_of(model: Any) -> nn.Module:
    """The model without its head, as transformers names it; another model is its own base."""
    found: nn.Module = getattr(model, getattr(model, "base_model_prefix", "") or "", model)
    return found


def _layers_and_homes(base: Any) -> tuple[list[Layer], list[str]]:
    """The layers, and the names of the modules that hold them."""
    names = {module: name for name, module in base.named_modules()}
    layers, homes = list[Layer](), list[str]()
    for part in _parts(base):
        lists = {name: found for name, module in part.named_modules() if (found := _blocks(module))}
        lists = {name: found for name, found in lists.items() if not any(_within(name, other) for other in lists)}
        if not lists:
            what = f"the layers of {type(part).__name__} cannot be told: it has no list of alike blocks"
            raise UserError(f"{what}, so nothing can depend on their depth")
        longest = max(lists, key=lambda name: sum(p.numel() for block in lists[name] for p in block.parameters()))
        home = longest.rpartition(".")[0]
        beside = [found for name, found in lists.items() if name.rpartition(".")[0] == home]
        beside = [found for found in beside if len(found) == len(lists[longest])]
        layers += [list(layer) for layer in zip(*beside, strict=True)]
        homes.append(names[part.get_submodule(home)])
    return layers, homes


def _parts(base: Any) -> list[Any]:
    both = getattr(getattr(base, "config", None), "is_encoder_decoder", False)
    return [base.get_encoder(), base.get_decoder()] if both else [base]


def _blocks(module: nn.Module) -> list[nn.Module]:
    """The alike blocks of a list, also of a list of such lists; empty for any other module."""
    if not isinstance(module, nn.ModuleList) or not len(module):
        return []
    parts = [block for item in module for block in (item if isinstance(item, nn.ModuleList) else [item])]
    return parts if len({type(part) for part in parts}) == 1 and any(True for _ in parts[0].parameters()) else []


def _within(name: str, other: str) -> bool:
    return name != other and name.startswith(f"{other}." if other else "")


def _of_the_encoder(name: str, module: nn.Module, homes: list[str]) -> bool:
    """Whether what is called after the last layer is the encoder's: it lies beside the layers, or is a norm around them."""
    beside = any(home and _within(name, home) for home in homes)
    holder = name.rpartition(".")[0]
    return beside or (
        "norm" in type(module).__name__.lower() and any(holder in (home, "") or _within(home, holder) for home in homes)
    )


def _begun(base: Any, inside: dict[nn.Module, int]) -> dict[nn.Module, int]:
    """How many layers had begun when each module outside of them was called first.

    Args:
        base: The model without its head.
        inside: The number of the layer, from 1, of every module in one.

    Raises:
        UserError: The model cannot be called.
    """
    seen, furthest = dict[nn.Module, int](), 0

    def see(module: nn.Module, inputs: Any) -> None:
        nonlocal furthest
        furthest = max(furthest, inside.get(module, 0))
        if module not in inside:
            seen.setdefault(module, furthest)

    with ExitStack() as after, torch.no_grad():
        for module in base.modules():
            after.callback(setattr, module, "training", module.training)
            module.training = False
            after.callback(module.register_forward_pre_hook(see).remove)
        try:
            base(**few_tokens(base))
        except Exception as error:  # every architecture fails in its own way
            what = f"the layers of {type(base).__name__} cannot be told: a pass over {TOKENS} tokens fails"
            raise UserError(f"{what}: {first_line(error)[:200]}") from None
    return seen


def few_tokens(base: Any) -> dict[str, Tensor]:
    """One text of TOKENS tokens, as inputs of any text model."""
    try:
        rows = len(base.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):  # no table of words: such models read characters
        rows = TOKENS
    tokens = torch.arange(TOKENS, device=next(base.parameters()).device)[None] % rows
    also = {"decoder_input_ids": tokens} if len(_parts(base)) > 1 else {}
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), **also}
