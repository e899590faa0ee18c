"""Lengths, directions and projections of embedding perturbations, for the three places where a norm can be taken.

A perturbation has shape (batch, seq, hidden) throughout. For ``norm="matrix"`` (the listing's FGM and PGD) it is the
perturbation of the embedding matrix, gathered at the tokens of the batch: equal tokens have equal rows, and each row
counts once in the length.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

TINY = torch.finfo(torch.float32).tiny


def segments(ids: Tensor) -> Tensor:
    """Number equal ids alike: (batch, seq) -> (batch * seq,), without waiting for the device."""
    flat = ids.reshape(-1)
    ordered, order = flat.sort(stable=True)
    steps = (ordered[1:] != ordered[:-1]).cumsum(0)
    numbers = torch.zeros_like(flat)
    numbers[order[1:]] = steps
    return numbers


def largest(gradient: Tensor) -> Tensor:
    """Each token's gradient divided by its largest entry: L-infinity length 1, or exactly 0 where it is 0."""
    top = gradient.float().abs().amax(-1, keepdim=True)
    return torch.where(top > 0, gradient.float() / top.clamp_min(TINY), 0.0)


@dataclass(frozen=True)
class Ball:
    """The geometry of one batch.

    Args:
        norm: "matrix", "example" or "token".
        ids: Token ids (batch, seq).
        mask: 1.0 where a perturbation may lie, (batch, seq, 1), fp32.
        text_axis: The axis along which one text runs: 1, or 0 where all shapes are (seq, batch, ...).
    """

    norm: str
    ids: Tensor
    mask: Tensor
    text_axis: int = 1

    @cached_property
    def numbers(self) -> Tensor:
        """The ids, equal ones numbered alike, (batch * seq,)."""
        return segments(self.ids)

    @cached_property
    def counts(self) -> Tensor:
        """How often the token at each place is in the batch without padding, (batch, seq, 1), at least 1."""
        return self.sums(self.mask.reshape(-1)).clamp_min(1).view_as(self.mask)

    def sums(self, rows: Tensor) -> Tensor:
        """For each place the sum of the ``rows`` (batch * seq, any) at places with the same id."""
        return torch.zeros_like(rows).index_add_(0, self.numbers, rows)[self.numbers]

    def tie(self, gradient: Tensor) -> Tensor:
        """The gradient in fp32 without padding; for "matrix" summed over equal tokens, as the matrix receives it."""
        gradient = gradient.float() * self.mask
        if self.norm != "matrix":
            return gradient
        return self.sums(gradient.reshape(self.ids.numel(), -1)).view_as(gradient) * self.mask

    def total(self, amounts: Tensor) -> Tensor:
        """Sums of an amount per token (batch, seq, 1) over the unit of the norm; each row of the matrix counts once.

        Returns:
            Shape (1, 1, 1) for "matrix", (batch, 1, 1) for "example", (batch, seq, 1) for "token".
        """
        amounts = amounts * self.mask
        if self.norm == "token":
            return amounts
        if self.norm == "example":
            return amounts.sum((self.text_axis, 2), keepdim=True)
        return (amounts / self.counts).sum().view(1, 1, 1)

    def length(self, shift: Tensor) -> Tensor:
        """L2 length in fp32: shape (1, 1, 1) for "matrix", (batch, 1, 1) for "example", (batch, seq, 1) for "token"."""
        return self.total(shift.float().square().sum(-1, keepdim=True)).sqrt()

    def spread(self, shift: Tensor) -> Tensor:
        """The square root of the number of entries that share one length, with the shape of ``length``."""
        ones = torch.ones_like(self.mask)
        return (self.total(ones) * shift.shape[-1]).clamp_min(1).sqrt()

    def unit(self, gradient: Tensor) -> Tensor:
        """The direction of length 1, or exactly 0 where the gradient is 0."""
        tied = self.tie(gradient)
        length = self.length(tied)
        return torch.where(length > 0, tied / length, torch.zeros_like(tied))

    def project(self, shift: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
        """The nearest point in the ball of radius ``epsilon``, and the share of lengths that the ball cut, shape ()."""
        length = self.length(shift)
        outside = length > epsilon
        return torch.where(outside, shift * (epsilon / length.clamp_min(TINY)), shift), outside.float().mean()

    def climb(
        self, shift: Tensor, gradient: Tensor, alpha: float | Tensor, epsilon: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """A step of length ``alpha`` along the gradient, projected into the ball; and the share of lengths that it cut."""
        return self.project(shift + alpha * self.unit(gradient), epsilon)
