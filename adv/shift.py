"""The two places that touch a model: its embeddings' output, and its weights. Both leave it as they found it."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from adv.modules import unwrapped
from adv.settings import AttackError
from adv.sharded import refuse_sharded


def find_embedding(model: nn.Module, emb_name: str | None = None) -> nn.Module:
    """The word embedding module.

    Args:
        model: Any module; ``get_input_embeddings()`` is asked when there is no name.
        emb_name: Regular expression (a suffix is one) on "<module>.weight", for models without that method.

    Raises:
        AttackError: No module, or more than one, fits.
    """
    inner = unwrapped(model)
    if emb_name is None:
        ask = getattr(inner, "get_input_embeddings", lambda: None)
        try:
            found = ask()
        except NotImplementedError:
            found = None
        if isinstance(found, nn.Module):
            return found
        raise AttackError(f"{type(inner).__name__} does not tell its input embeddings: set emb_name")
    matrices: dict[str, nn.Module] = {}
    for name, module in inner.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() == 2:
            matrices[f"{name}.weight"] = module
    names = [name for name in matrices if re.search(emb_name, name)]
    if len(names) == 1:
        return matrices[names[0]]
    refuse_sharded(model)  # shards match nothing, or have lost their shape
    near = [name for name, module in matrices.items() if isinstance(module, nn.Embedding)]
    what = f"matches {len(names)} modules ({', '.join(names[:4])})" if names else "matches no module"
    raise AttackError(f"emb_name={emb_name!r} {what}; the embeddings here are {', '.join(near) or 'none'}")


@dataclass
class Site:
    """What the embedding module saw in one forward pass: token ids, output and added leaf of each of its calls."""

    ids: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    leaves: list[Tensor] = field(default_factory=list)


# What is added: a tensor (batch, seq, hidden), or made from token ids (batch, seq) and the clean output when they are known.
Shift = Tensor | Callable[[Tensor, Tensor], Tensor] | None


@contextmanager
def shifted_embeddings(embedding: nn.Module, shift: Shift = None, *, detached: bool = False) -> Iterator[Site]:
    """Add ``shift`` (batch, seq, hidden) to the output of the embedding module while the context lasts.

    A hook on the output works with ``input_ids``, so position ids, token types and padding stay the model's business;
    ``inputs_embeds`` does not (left-padded RoBERTa and GPT-2 classifiers give other logits). Each call gets a leaf
    tensor whose gradient is that of the output; without ``shift`` it is zero. A module called again in the same pass
    (encoder-decoders share theirs) is shifted in its first call only. With ``detached`` the embedding matrix gets no
    gradient from this pass.
    """
    site = Site()

    def add(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor:
        site.ids.append(args[0] if args else kwargs["input"])
        if site.ids[-1].is_floating_point():
            raise AttackError(f"{type(module).__name__} was called with numbers, not token ids: set another emb_name")
        leaf = torch.zeros_like(output)
        if not site.leaves and shift is not None:
            leaf = shift if isinstance(shift, Tensor) else shift(site.ids[0], output.detach())
        leaf = leaf.detach().to(output.dtype).requires_grad_(torch.is_grad_enabled())
        site.outputs.append(output.detach())
        site.leaves.append(leaf)
        return (output.detach() if detached else output) + leaf

    handle = embedding.register_forward_hook(add, with_kwargs=True)
    try:
        yield site
    finally:
        handle.remove()


@contextmanager
def shifted_weights(weights: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Let the caller change ``weights`` in place; they are copied back, bit for bit, when the context ends or raises.

    Yields:
        One spare copy, as the weights were.
    """
    spare = [weight.detach().clone() for weight in weights]
    try:
        yield spare
    finally:
        with torch.no_grad():
            if spare:
                torch._foreach_copy_(list(weights), spare)


@contextmanager
def shifted_rows(matrix: Tensor, ids: Tensor) -> Iterator[Tensor]:
    """As ``shifted_weights`` for the rows ``ids`` (n,) of an embedding matrix alone; yields their copy (n, hidden)."""
    spare = matrix.detach()[ids]
    try:
        yield spare
    finally:
        with torch.no_grad():
            matrix[ids] = spare


def turned(batch: Any, ids: Tensor) -> bool:
    """Whether the model looks its tokens up as (seq, batch), as XLNet does."""
    given = batch.get("input_ids") if hasattr(batch, "get") else None
    if given is None or given.dim() != 2 or given.mT.shape != ids.shape:
        return False
    # Only a square batch that the model has copied must be read to tell.
    return ids.shape != given.shape or (
        given.data_ptr() != ids.data_ptr() and torch.equal(given.mT, ids) and not torch.equal(given, ids)
    )


def padding_mask(batch: Any, ids: Tensor) -> Tensor:
    """1.0 at real tokens, shaped as ids (batch, seq) and 1, from the batch's attention_mask; all ones without one."""
    mask = batch.get("attention_mask") if hasattr(batch, "get") else None
    if mask is not None and turned(batch, ids):
        mask = mask.mT
    if mask is None or mask.shape != ids.shape:
        return torch.ones(*ids.shape, 1, device=ids.device)
    real: Tensor = mask.to(torch.float32).unsqueeze(-1)
    return real
