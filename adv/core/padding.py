"""Padding in a batch without ``attention_mask``: searched, and refused if it would be perturbed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adv.core.batch import tensors_of, turned
from adv.core.mask import OTHER, fitted, named_mask
from adv.core.modules import body
from adv.core.settings import AttackError
from adv.core.shift import members_of


def padding_tokens(model: nn.Module, embedding: nn.Module) -> list[int]:
    """The ids of padding, from the embedding and from the configuration of its model."""
    around = body(model)
    config = getattr(around, "config", None) if any(m in members_of(embedding) for m in around.modules()) else None
    told = [getattr(config, "pad_token_id", None), *(getattr(m, "padding_idx", None) for m in members_of(embedding))]
    return sorted({number for number in told if isinstance(number, int) and number >= 0})


def searched_mask(batch: Any, ids: Tensor, calls: Sequence[Any], tokens: list[int]) -> Tensor:
    """1 at real tokens, shaped as ids, for a batch without an ``attention_mask``.

    If no tensor is named as a mask, the step reads back from the device whether there is padding.

    Args:
        batch: A batch of any form.
        ids: The ids (batch, seq) that the module looked up.
        calls: The arguments of the modules around it, the innermost first.
        tokens: The ids of padding; empty if unknown.

    Raises:
        AttackError: There is padding, and no mask shows where.
    """
    pads = torch.isin(ids, torch.tensor(tokens, device=ids.device)) if tokens else None
    mask = named_mask(batch, ids, calls, pads)
    mask = resized_mask(batch, ids) if mask is None else mask
    named = [pair for given in (*calls, batch) for pair in tensors_of(given)]
    if mask is None and pads is not None and bool(pads.any()):
        # A tensor without such a name is a mask only if it marks exactly the padding tokens.
        over = turned(batch, ids, calls)
        unnamed = [t for name, t in named if "mask" not in name.lower() and t.numel() == ids.numel() and bool(t.max() <= 1)]
        reals = [fitted(tensor, ids, over) for tensor in unnamed]
        if not any(real is not None and (torch.equal(real, pads) or torch.equal(real, ~pads)) for real in reals):
            raise AttackError(
                f"padding would be perturbed: {facts(named, ids, tokens)}. Give attention_mask (1 at real tokens) in the "
                "batch; all ones where those tokens are text"
            )
        mask = ~pads
    if mask is None and pads is None and misfits(named):
        raise AttackError(f"padding may be perturbed: {facts(named, ids, tokens)}. Give an attention_mask that fits the ids")
    return torch.ones_like(ids) if mask is None else mask


def resized_mask(batch: Any, ids: Tensor) -> Tensor | None:
    """The batch's ``attention_mask``, if the model padded or cut the texts to another length, as Longformer does."""
    mask, given = (batch.get(name) if isinstance(batch, Mapping) else None for name in ("attention_mask", "input_ids"))
    if not (isinstance(mask, Tensor) and isinstance(given, Tensor)) or mask.shape != given.shape or given.dim() != 2:
        return None
    if len(given) != len(ids) or ids.dim() != 2:
        return None
    mask, given = mask.to(ids.device), given.to(ids.device)
    shared = min(given.shape[1], ids.shape[1])
    for part in (slice(0, shared), slice(-shared, None)):
        if torch.equal(given[:, part], ids[:, part]):
            real = torch.zeros_like(ids, dtype=torch.bool)
            real[:, part] = mask[:, part] > 0
            return real
    return None


def misfits(named: list[tuple[str, Tensor]]) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors that are named as a mask of tokens."""
    return {name: tuple(t.shape) for name, t in named if "mask" in name.lower() and not OTHER.search(name.lower())}


def facts(named: list[tuple[str, Tensor]], ids: Tensor, tokens: list[int]) -> str:
    """What was found, for messages."""
    shapes = misfits(named)
    found = f"token {tokens[0]} is in the batch" if tokens else "the padding token is unknown"
    if len(shapes) > 1:
        return f"{found}, and of {', '.join(shapes)} none is named attention_mask"
    given = "".join(f"{name} {shape} does not fit the ids {tuple(ids.shape)}" for name, shape in shapes.items())
    return f"{found}, and {given or 'no mask shows where'}"
