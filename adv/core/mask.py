"""Which tokens are real: a mask of a batch, with any name and shape, in the shape of the token ids."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adv.core.batch import tensors_of, turned

# Masks that do not say which tokens are real.
OTHER = re.compile(r"decoder|tgt|target|memory|cross|causal|head|global|special|mlm|lm_|loss|label|masked|pixel|image")


# torch's key_padding_mask is True at padding.
INVERSE = re.compile(r"(?<!no)(?<!non)(?<!no_)(?<!non_)(?<!not_)pad")


def fitted(mask: Tensor, ids: Tensor, over: bool) -> Tensor | None:
    """True at real tokens, shaped as ids; None if the mask has another size.

    Args:
        mask: 1 or True at real tokens; or numbers to add to attention scores, 0 at real tokens and negative elsewhere.
        ids: (batch, seq), or (seq, batch) with ``over``.
        over: Whether the mask must be transposed.
    """
    rows, length, mask = *(ids.mT.shape if over else ids.shape), mask.to(ids.device)  # forward= may have moved the batch
    if mask.dim() < 2 or mask.shape[-1] != length or mask.numel() % max(ids.numel(), 1):
        return None
    if mask.numel() != ids.numel() and mask.shape[0] != rows:
        return None
    real = mask
    if mask.dtype != torch.bool:
        added = (mask < 0).any() | ~(mask > 0).any() if mask.is_floating_point() else (mask < 0).any()
        real = torch.where(added, mask > -1, mask > 0)
    # A mask for each query, or for each choice of a question: a token is real if any query sees it.
    real = real.reshape(rows, -1, length).any(1)
    return real.mT if over else real


def own_mask(batch: Any, ids: Tensor) -> Tensor | None:
    """The batch's ``attention_mask`` shaped as ids, fp32; None if it has none that fits."""
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    if not isinstance(mask, Tensor):
        return None
    over, mask = turned(batch, ids), mask.to(ids.device)
    if mask.shape == (ids.mT if over else ids).shape and not mask.is_floating_point():
        return (mask.mT if over else mask).to(torch.float32)
    real = fitted(mask, ids, over)
    return None if real is None else real.to(torch.float32)


def named_mask(batch: Any, ids: Tensor, calls: Sequence[Any], pads: Tensor | None) -> Tensor | None:
    """A mask with another name, or one that the model receives, shaped as ids; None if none or several fit."""
    over = turned(batch, ids, calls)
    for given in (*calls, batch):
        named = [(name.lower(), tensor) for name, tensor in tensors_of(given)]
        masks = {name: fitted(t, ids, over) for name, t in named if "mask" in name and not OTHER.search(name)}
        found = {name: mask for name, mask in masks.items() if mask is not None}
        if "attention_mask" in found:
            return found["attention_mask"]
        if found:
            ((name, real), *others) = found.items()
            if others:
                return None
            texts, padding = (real.mT, None if pads is None else pads.mT) if over else (real, pads)
            return real ^ inverse(name, texts, padding)
        for name, tensor in named:
            if "len" in name and tensor.shape == ids.shape[over : over + 1] and not tensor.is_floating_point():
                real = torch.arange(ids.shape[1 - over], device=ids.device) < tensor.to(ids.device)[:, None]
                return real.mT if over else real
    return None


def inverse(name: str, real: Tensor, pads: Tensor | None) -> Tensor:
    """Whether a mask (batch, seq) is True at padding, shape (); nothing is read back. ``pads`` has the mask's shape.

    The padding tokens decide; if they are unknown, the ends of texts, one of which is real; else the mask's name.
    """
    named = torch.full((), bool(INVERSE.search(name)), device=real.device)
    if pads is not None:
        at_pads, elsewhere = (pads & real).sum(), (pads & ~real).sum()
        # Without padding tokens, most tokens are real.
        return torch.where(
            pads.any(), torch.where(at_pads == elsewhere, named, at_pads > elsewhere), real.float().mean() < 0.5
        )
    ends = torch.stack([(real[:, 0] | real[:, -1]).all(), (~real[:, 0] | ~real[:, -1]).all()])
    return torch.where(ends[0] == ends[1], named, ends[1])


def padding_mask(batch: Any, ids: Tensor) -> Tensor:
    """1.0 at real tokens, (batch, seq, 1) for ids (batch, seq), from the batch's mask; all ones if no mask fits."""
    mask = own_mask(batch, ids)
    mask = named_mask(batch, ids, (), None) if mask is None else mask
    return (torch.ones_like(ids) if mask is None else mask).to(torch.float32).unsqueeze(-1)
