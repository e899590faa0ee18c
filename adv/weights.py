"""Weights that move inside a box around where they were: the maths of AWP, in place, with one spare copy."""

import re
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from adv.ball import Ball
from adv.settings import AttackError
from adv.shift import Site, find_embedding, padding_mask, shifted_rows, shifted_weights

# The listing's additive constant, in units of the unscaled gradient and of the weight.
SEED_E = 1e-6


def find_weights(model: nn.Module, adv_param: str) -> list[nn.Parameter]:
    """Trainable parameters whose name the regular expression finds, tied ones once.

    Raises:
        AttackError: None matches, all that match are frozen, or one is not stored in fp32.
    """
    named = [(name, p) for name, p in model.named_parameters() if re.search(adv_param, name)]
    touched = [(name, p) for name, p in named if p.requires_grad]
    if not named:
        some = ", ".join(name for name, _ in list(model.named_parameters())[:3])
        raise AttackError(f"adv_param={adv_param!r} matches no parameter of {type(model).__name__} (it has {some}, ...)")
    if not touched:
        raise AttackError(f"all {len(named)} parameters that adv_param={adv_param!r} matches are frozen: unfreeze some")
    for name, p in touched:
        if p.dtype not in (torch.float32, torch.float64):
            raise AttackError(
                f"{name} is stored as {p.dtype}, which rounds small perturbations away: "
                "load the model in fp32 and use autocast (--precision bf16 does)"
            )
    return [p for _, p in touched]


def looked_up_matrix(model: nn.Module, touched: list[nn.Parameter]) -> tuple[nn.Module | None, nn.Parameter | None]:
    """The embedding module and its matrix, where moving the looked-up rows is the same as moving the matrix.

    That is a plain, untied ``nn.Embedding`` among the touched weights; otherwise (None, None) and it is moved whole.
    """
    try:
        embedding = find_embedding(model)
    except AttackError:
        return None, None
    if type(embedding) is not nn.Embedding or embedding.max_norm is not None or embedding.scale_grad_by_freq:
        return None, None
    matrix: Tensor = embedding.weight
    uses = sum(p is matrix for module in model.modules() for p in module._parameters.values())
    shared = sum(module is embedding for _, module in model.named_modules(remove_duplicate=False))
    mine = [p for p in touched if p is matrix]
    return (embedding, mine[0]) if uses == 1 and shared == 1 and mine else (None, None)


def writable(gradients: list[Tensor]) -> list[Tensor]:
    """The gradients, each in memory of its own: addends share one gradient, and that of a sum is expanded."""
    seen: set[int] = set()
    result = []
    for gradient in gradients:
        storage = gradient.untyped_storage().data_ptr()
        shared = storage in seen or any(s == 0 and n > 1 for s, n in zip(gradient.stride(), gradient.shape, strict=True))
        result.append(gradient.clone() if shared else gradient)
        seen.add(storage)
    return result


class Weights:
    """The touched weights of one step: whole tensors, and the looked-up rows of the embedding matrix.

    Args:
        dense: Tensors that move whole.
        matrix: The embedding matrix whose rows move, or None.
        padding: The row of padding, which never moves, where the embedding has one.
        undo: Restores everything when it closes.
    """

    def __init__(self, dense: list[nn.Parameter], matrix: nn.Parameter | None, padding: int | None, undo: ExitStack) -> None:
        self.dense: list[Tensor] = [p.detach() for p in dense]
        self.matrix = None if matrix is None else matrix.detach()
        self.padding = padding
        self.spare = undo.enter_context(shifted_weights(self.dense))
        device = self.dense[0].device if dense or self.matrix is None else self.matrix.device
        self.nonfinite = torch.zeros((), dtype=torch.bool, device=device)
        self.relative = self.clipped = torch.zeros(())
        self._undo = undo
        self._ball: Ball | None = None

    def look_up(self, site: Site) -> None:
        """Save the rows that the first pass looked up; they move with the whole tensors from then on."""
        if self.matrix is None or self._ball is not None:
            return
        if not site.ids:
            if not self.dense:
                raise AttackError("the embedding module was not called in the forward pass: nothing to perturb")
            return
        ids = torch.cat([ids.reshape(-1) for ids in site.ids])
        self.spare = [*self.spare, self._undo.enter_context(shifted_rows(self.matrix, ids))]
        self._ball = Ball("matrix", ids[None], torch.ones(1, len(ids), 1, device=ids.device))

    def row_gradient(self, gradients: list[Tensor | None], site: Site, batch: Any) -> Tensor:
        """The matrix's gradient at each looked-up row (n, hidden); padding rows have none."""
        assert self._ball is not None
        first = padding_mask(batch, site.ids[0]) if len(site.ids) == 1 else 1.0
        parts = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(gradients, site.leaves, strict=True)]
        parts[0] = parts[0] * first
        flat = torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])
        if self.padding is not None:
            flat = flat * (self._ball.ids[0] != self.padding).unsqueeze(-1)
        return self._ball.tie(flat[None])[0]

    def move(self, gradients: list[Tensor | None], adv_lr: float, adv_eps: float, unit: Tensor, look: bool) -> None:
        """One ascent step for every tensor, then into its box.

        Args:
            gradients: One for each tensor, scaled; they are used up. None is no movement.
            adv_lr: Step as a share of the tensor's norm.
            adv_eps: Box as a share of each weight's magnitude.
            unit: What the loss was scaled by, shape ().
            look: Take the diagnostics.
        """
        weights = [*self.dense, *([] if self._ball is None else [self.matrix[self._ball.ids[0]]])]  # type: ignore[index]
        shifts = writable([torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)])
        lengths, norms = self._lengths(shifts), self._norms(weights)
        self.nonfinite = self.nonfinite | ~torch.isfinite(torch.stack(lengths)).all()
        # A micro-batch of weight 0 has no gradient at all: 0 / 1, not 0 / 0.
        floor = torch.where(unit > 0, SEED_E * unit, 1.0)
        torch._foreach_mul_(
            shifts,
            [adv_lr * (n + SEED_E) / (g + floor) for n, g in zip(norms, lengths, strict=True)],
        )
        torch._foreach_add_(shifts, weights)
        torch._foreach_sub_(shifts, self.spare)
        # The weights themselves serve as the box: they are in the spare copy, and written again below.
        torch._foreach_copy_(weights, self.spare)
        torch._foreach_abs_(weights)
        torch._foreach_mul_(weights, adv_eps)
        torch._foreach_minimum_(shifts, weights)
        torch._foreach_neg_(weights)
        torch._foreach_maximum_(shifts, weights)
        for shift in shifts:
            shift.masked_fill_(self.nonfinite, 0)
        if look:
            self._look(shifts, weights, norms)
        torch._foreach_copy_(weights, self.spare)
        torch._foreach_add_(weights, shifts)
        if self._ball is not None:
            self.matrix[self._ball.ids[0]] = weights[-1]  # type: ignore[index]

    def _lengths(self, tensors: list[Tensor]) -> list[Tensor]:
        """L2 norms in fp32; repeated rows count once."""
        lengths = list(torch._foreach_norm(tensors, dtype=torch.float32))
        if self._ball is not None:
            lengths[-1] = self._ball.length(tensors[-1][None]).reshape(())
        return lengths

    def _norms(self, weights: list[Tensor]) -> list[Tensor]:
        """L2 norms of the weights; for the rows, that of their whole matrix."""
        norms = list(torch._foreach_norm(weights, dtype=torch.float32))
        if self.matrix is not None and self._ball is not None:
            norms[-1] = self.matrix.norm()
        return norms

    def _look(self, shifts: list[Tensor], boxes: list[Tensor], norms: list[Tensor]) -> None:
        stopped = torch.stack([((s.abs() >= -b) & (b != 0)).sum() for s, b in zip(shifts, boxes, strict=True)]).sum()
        self.clipped = stopped / sum(s.numel() for s in shifts)
        self.relative = torch.stack(self._lengths(shifts)).norm() / torch.stack(norms).norm()
