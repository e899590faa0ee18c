"""The two places that change a model: its embeddings' output, and its weights. Both restore what they changed."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from adv.core.modules import named_parts, telling, unwrapped, word_embeddings
from adv.core.settings import AttackError
from adv.core.sharded import refuse_sharded


class Tied(nn.Module):
    """Modules that look words up in one matrix, such as an encoder's and a decoder's: the first that is called counts.

    BART and T5 in transformers return a third one that is never called.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = tuple(members)  # a tuple: they belong to their own model

    @property
    def weight(self) -> Tensor:
        """Their matrix (words, hidden)."""
        found: Any = self.members[0].weight
        return found  # type: ignore[no-any-return]


def members_of(embedding: nn.Module) -> tuple[nn.Module, ...]:
    """The modules that may be called: one, or all that share its matrix."""
    return embedding.members if isinstance(embedding, Tied) else (embedding,)


def find_embedding(model: nn.Module, emb_name: str | None = None) -> nn.Module:
    """The word embedding module, or those that share its matrix as ``Tied``.

    Args:
        model: Any module. Without a name, ``get_input_embeddings()`` is called on it, or on the one module inside that
            has this method.
        emb_name: Regular expression (a suffix is one) on "<module>.weight", for models without that method.

    Raises:
        AttackError: No module fits, or several do.

    Example:
        >>> from torch import nn
        >>> from adv import find_embedding
        >>> find_embedding(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)), "^0")
        Embedding(9, 4)
    """
    if emb_name is None:
        return told_embedding(model)
    matrices: dict[str, nn.Module] = {}
    for name, module in named_parts(model):
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() == 2:
            matrices[f"{name}.weight"] = module
    names = [name for name in matrices if re.search(emb_name, name)]
    if len(names) == 1:
        return matrices[names[0]]
    refuse_sharded(model)  # shards match nothing, or have lost their shape
    what = f"matches {len(names)} modules ({', '.join(names[:4])})" if names else "matches no module"
    raise AttackError(f"emb_name={emb_name!r} {what}; the embeddings here are {lookup_names(model)}")


def told_embedding(model: nn.Module) -> nn.Module:
    """The embedding that the model, or the one module inside with this method, returns.

    Raises:
        AttackError: No module returns one, or several do.
    """
    told = {name: word_embeddings(module) for name, module in telling(model).items()}
    found = {id(module): module for module in told.values() if module is not None}
    if len(found) == 1:
        (embedding,) = found.values()
        matrix = getattr(embedding, "weight", None)
        tied = [m for m in unwrapped(model).modules() if isinstance(m, nn.Embedding) and m.weight is matrix]
        return Tied(tied) if len(tied) > 1 and embedding in tied else embedding
    kind = type(unwrapped(model)).__name__
    if found:
        names = ", ".join(f"{name}.weight" for name, module in named_parts(model) if id(module) in found)
        raise AttackError(f"{kind} has several encoders ({', '.join(told)}): set emb_name to one of {names}")
    raise AttackError(
        f"cannot find the input embeddings of {kind}: set emb_name; the embeddings here are {lookup_names(model)}"
    )


def lookup_names(model: nn.Module) -> str:
    """The weights of the model's ``nn.Embedding`` modules by name, as a list for messages."""
    names = [f"{name}.weight".lstrip(".") for name, module in named_parts(model) if isinstance(module, nn.Embedding)]
    return ", ".join([*names[:8], *(["..."] if len(names) > 8 else [])]) or "none"


@dataclass
class Site:
    """What the embedding module saw in one forward pass: token ids, output and added leaf of each of its calls."""

    ids: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    leaves: list[Tensor] = field(default_factory=list)


# What is added: a tensor (batch, seq, hidden), or a function of token ids (batch, seq) and clean output that makes it.
Shift = Tensor | Callable[[Tensor, Tensor], Tensor] | None


CALLED_TWICE = (
    "the word embeddings ({}) are called more than once in a pass: only the first call is perturbed. To perturb all texts, "
    "let forward= call the encoder once, on the texts one below the other"
)
# The second computation would see another perturbation or none.
RECOMPUTED = "the embeddings are computed again in the backward pass: let checkpointing begin after them, at the layers"


def all_padding(module: nn.Module, ids: Tensor) -> bool:
    """Whether these are only padding tokens, which LED looks up separately."""
    padding = getattr(module, "padding_idx", None)
    return padding is not None and bool((ids == padding).all())


@contextmanager
def shifted_embeddings(embedding: nn.Module, shift: Shift = None, *, detached: bool = False) -> Iterator[Site]:
    """Add ``shift`` (batch, seq, hidden) to the output of the embedding module while the context lasts.

    With a hook on the output, the model still receives ``input_ids`` and handles position ids, token types and padding
    itself. With ``inputs_embeds`` it would not (left-padded RoBERTa and GPT-2 classifiers give other logits). Each call
    gets a leaf tensor whose gradient is that of the output; without ``shift`` it is zero. Only the first call of a pass is
    shifted (encoder-decoders look up the answer's tokens next). If one module is called twice, a warning says so. With
    ``detached`` the embedding matrix gets no gradient from this pass.
    """
    site = Site()
    called: list[nn.Module] = []

    def add(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor:
        site.ids.append(args[0] if args else kwargs["input"])
        if site.ids[-1].is_floating_point():
            raise AttackError(f"{type(module).__name__} was called with numbers, not token ids: set another emb_name")
        if torch._C._current_graph_task_id() != -1:
            raise AttackError(RECOMPUTED)
        if output.shape[:-1] != site.ids[-1].shape:
            raise AttackError(
                f"{type(module).__name__} gives {tuple(output.shape)} for token ids {tuple(site.ids[-1].shape)}, not a "
                "vector for each token: nothing to perturb there. Use a method on weights (awp, sam)"
            )
        if shift is not None and module in called and not all_padding(module, site.ids[-1]):
            warnings.warn(CALLED_TWICE.format(type(module).__name__), stacklevel=2)
        called.append(module)
        leaf = torch.zeros_like(output)
        if not site.leaves and shift is not None:
            leaf = shift if isinstance(shift, Tensor) else shift(site.ids[0], output.detach())
        leaf = leaf.detach().to(output.dtype).requires_grad_(torch.is_grad_enabled())
        site.outputs.append(output.detach())
        site.leaves.append(leaf)
        return (output.detach() if detached else output) + leaf

    with ExitStack() as hooks:
        for member in members_of(embedding):
            hooks.callback(member.register_forward_hook(add, with_kwargs=True).remove)
        yield site


@contextmanager
def shifted_weights(weights: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Let the caller change ``weights`` in place; when the context ends or raises, they are restored bit for bit.

    Yields:
        A copy of the weights from before.
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
    """As ``shifted_weights``, but only for the rows ``ids`` (n,) of an embedding matrix; yields their copy (n, hidden)."""
    spare = matrix.detach()[ids]
    try:
        yield spare
    finally:
        with torch.no_grad():
            matrix[ids] = spare
