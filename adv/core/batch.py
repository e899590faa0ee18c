"""The contents of a batch of any form: its tensors by name, and its token ids."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def tensors_of(given: Any, name: str = "", depth: int = 3) -> Iterator[tuple[str, Tensor]]:
    """The tensors in a batch, by name: of a mapping, a tuple, an object with attributes, and of those inside."""
    if isinstance(given, Tensor):
        yield name, given
        return
    if depth == 0 or given is None or isinstance(given, str | bytes | int | float | nn.Module):
        return
    if isinstance(given, Mapping):
        pairs = [(str(key), value) for key, value in given.items()]
    elif hasattr(given, "_asdict"):
        pairs = list(given._asdict().items())
    elif isinstance(given, list | tuple):
        pairs = [(name, value) for value in given]
    else:
        names = [*getattr(given, "__dict__", ()), *getattr(given, "__slots__", ())]
        pairs = [(key, getattr(given, key, None)) for key in names]
    for key, value in pairs:
        yield from tensors_of(value, key, depth - 1)


def looked_up(batch: Any, ids: Tensor, calls: Sequence[Any] = ()) -> Tensor | None:
    """The batch's token ids as (texts, seq), if the module looked up all of them; else None."""
    named = [pair for given in (*calls, batch) for pair in tensors_of(given)]
    for name, tensor in [*(pair for pair in named if pair[0] == "input_ids"), *named]:
        whole = not (tensor.is_floating_point() or tensor.dtype == torch.bool or "mask" in name)
        if whole and tensor.dim() > 1 and tensor.numel() == ids.numel():
            return tensor.to(ids.device).reshape(-1, tensor.shape[-1])
    return None


def turned(batch: Any, ids: Tensor, calls: Sequence[Any] = ()) -> bool:
    """Whether the model looks its tokens up as (seq, batch), as XLNet does."""
    given = looked_up(batch, ids, calls)
    if given is None or given.mT.shape != ids.shape:
        return False
    # Values are compared only for a square batch that the model has copied.
    same = given.data_ptr() == ids.data_ptr() and given.stride() == ids.stride()
    return ids.shape != given.shape or (not same and torch.equal(given.mT, ids) and not torch.equal(given, ids))
