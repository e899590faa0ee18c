"""The embedding matrix's gradient, added to what it has already: only the rows that a pass looked up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from adv.core.shift import Shift, Site, shifted_embeddings
from adv.core.weights import looked_up_matrix

# A matrix with fewer numbers is added whole: looking its rows up costs as much.
WORTH = 2**20


@contextmanager
def shifted_again(model: nn.Module, embedding: nn.Module, shift: Shift, calls: int) -> Iterator[Site]:
    """``shifted_embeddings`` for a pass whose ``backward()`` adds to gradients that are there; to them the same bits.

    Autograd makes a gradient of the size of the vocabulary and adds all of it, mostly zeros. On a CPU this takes a tenth of
    a clean step of a small encoder, a third with a large vocabulary.

    Args:
        model: Any module.
        embedding: Its word embeddings.
        shift: As for ``shifted_embeddings``.
        calls: How often a pass calls the embeddings.
    """
    matrix = matrix_by_rows(model, embedding) if calls == 1 else None
    with shifted_embeddings(embedding, shift, detached=matrix is not None) as site:
        yield site
    if matrix is not None and site.leaves[0].grad is not None:
        add_rows(matrix, site.ids[0], site.leaves[0].grad, embedding.padding_idx)  # type: ignore[arg-type]


def matrix_by_rows(model: nn.Module, embedding: nn.Module) -> nn.Parameter | None:
    """The matrix, if it is large, and rows can be added to its gradient unseen: on the CPU, with nothing hooked to it."""
    matrix = getattr(embedding, "weight", None)
    if not isinstance(matrix, nn.Parameter) or matrix.numel() < WORTH or not matrix.requires_grad or matrix.grad is None:
        return None
    dense = matrix.grad.layout == torch.strided and matrix.grad.dtype == matrix.dtype
    hooks: list[Any] = [matrix._backward_hooks, matrix._post_accumulate_grad_hooks, nn.modules.module._global_forward_hooks]
    hooks += [embedding._backward_hooks, embedding._forward_hooks]
    # A distributed wrapper counts the gradients that autograd delivers.
    spread = torch.distributed.is_available() and torch.distributed.is_initialized()
    if matrix.device.type != "cpu" or not dense or any(hooks) or spread:
        return None
    return looked_up_matrix(model, [matrix])[1]


def add_rows(matrix: nn.Parameter, ids: Tensor, gradient: Tensor, padding: int | None) -> None:
    """Add the gradient (any, hidden) at token ids (any) to ``matrix.grad``, as autograd would; padding has none."""
    assert matrix.grad is not None
    rows, numbers = torch.unique(ids.reshape(-1), return_inverse=True)
    # The sum over equal tokens in autograd's order.
    flat = gradient.reshape(-1, gradient.shape[-1])
    sums = torch.ops.aten.embedding_dense_backward(flat, numbers, len(rows), -1, False)
    if padding is not None:
        sums.masked_fill_((rows == padding).unsqueeze(-1), 0)
    matrix.grad.index_add_(0, rows, sums)
