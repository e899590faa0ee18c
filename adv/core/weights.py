"""Weights that move in place and are restored from one spare copy: what AWP and SAM do to a model."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.mask import padding_mask
from adv.core.modules import named_weights, unwrapped
from adv.core.settings import AttackError
from adv.core.sharded import refuse_sharded
from adv.core.shift import Site, find_embedding, shifted_rows, shifted_weights

# Numbers of each tensor that are worked on together on a CPU: three times 512 KiB.
CACHED = 2**17
# Turns gradients into displacements, in place: (current weights, gradients that become displacements).
Rule = Callable[[list[Tensor], list[Tensor]], None]


def find_weights(model: nn.Module, adv_param: str, matrices_only: bool = False) -> dict[str, nn.Parameter]:
    """The trainable parameters whose name matches the regular expression, by name, tied ones once.

    Args:
        model: Any module.
        adv_param: Regular expression (a suffix is one).
        matrices_only: Leave out vectors, such as the weights of layer norms.

    Raises:
        AttackError: No name matches, all matching parameters are frozen, or one is quantised or not stored in fp32.
    """
    named = {name: p for name, p in named_weights(model) if re.search(adv_param, name)}
    named = {name: p for name, p in named.items() if p.dim() > 1 or not matrices_only}
    touched = {name: p for name, p in named.items() if p.requires_grad}
    if not named:
        refuse_sharded(model)  # shards have lost their shape
        some = ", ".join(name for name, _ in list(named_weights(model))[:3])
        raise AttackError(
            f"adv_param={adv_param!r} matches no parameter of {type(unwrapped(model)).__name__} (it has {some}, ...)"
        )
    quantised = [name for name, p in named.items() if not p.is_floating_point() or hasattr(p, "quant_state")]
    if quantised and not touched:
        raise AttackError(
            f"{quantised[0]} is quantised ({named[quantised[0]].dtype}): a small perturbation has no place between its "
            "levels. Use an embedding method, or adv_param for weights that are trained (lora_)"
        )
    if not touched:
        raise AttackError(f"all {len(named)} parameters that adv_param={adv_param!r} matches are frozen: unfreeze some")
    for name, p in touched.items():
        if p.dtype not in (torch.float32, torch.float64):
            raise AttackError(
                f"{name} is stored as {p.dtype}, which rounds small perturbations away: "
                "load the model in fp32 and use autocast (--precision bf16 does)"
            )
    return touched


def looked_up_matrix(model: nn.Module, touched: Collection[nn.Parameter]) -> tuple[nn.Module | None, nn.Parameter | None]:
    """The embedding module and its matrix, if moving the looked-up rows is the same as moving the matrix.

    That holds for a plain, untied ``nn.Embedding`` among the touched weights. Otherwise (None, None): all rows move.
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
    """The gradients, each in its own memory: addends share one gradient, and the gradient of a sum is expanded."""
    seen: set[int] = set()
    result = []
    for gradient in gradients:
        storage = gradient.untyped_storage().data_ptr()
        shared = storage in seen or any(s == 0 and n > 1 for s, n in zip(gradient.stride(), gradient.shape, strict=True))
        result.append(gradient.clone() if shared else gradient)
        seen.add(storage)
    return result


def parts(*lists: list[Tensor]) -> Iterator[list[list[Tensor]]]:
    """Lists of tensors of the same shapes, in parts that fit a CPU's cache; on an accelerator in one part.

    Several operations in a row then read the memory once.
    """
    if any(tensor.device.type != "cpu" for tensor in lists[0]):
        yield [*lists]
        return
    part: list[list[Tensor]] = [[] for _ in lists]
    held = 0
    for alike in zip(*lists, strict=True):
        size = alike[0].numel()
        rows = max(CACHED * len(alike[0]) // size, 1) if alike[0].dim() and size > CACHED else 0
        for piece in zip(*(tensor.split(rows) for tensor in alike), strict=True) if rows else [alike]:
            if held and held + piece[0].numel() > CACHED:
                yield part
                part, held = [[] for _ in lists], 0
            for some, one in zip(part, piece, strict=True):
                some.append(one)
            held += piece[0].numel()
    yield part


def in_fp32(tensors: list[Tensor]) -> torch.dtype | None:
    """The type for norms: fp32, or None for the tensors' own fp64."""
    return None if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


class Weights:
    """The touched weights of one step: complete tensors, and the looked-up rows of the embedding matrix.

    Args:
        dense: Tensors that move completely.
        matrix: The embedding matrix whose rows move, or None.
        padding: The row of padding, which never moves, or None.
        undo: Restores everything when it closes.

    ``live`` has the tensors of ``dense`` as parameters. With ``look``, ``move`` leaves diagnostics in ``seen``. ``measured``
    has the lengths of the last move's gradients, before its rule.
    """

    def __init__(self, dense: list[nn.Parameter], matrix: nn.Parameter | None, padding: int | None, undo: ExitStack) -> None:
        self.live, self.look = dense, False
        self.seen: dict[str, Tensor] = {}
        self.measured: list[Tensor] = []
        self.dense: list[Tensor] = [p.detach() for p in dense]
        self.matrix = None if matrix is None else matrix.detach()
        self._parameter = matrix
        self.padding = padding
        self.spare = undo.enter_context(shifted_weights(self.dense))
        device = self.dense[0].device if dense or self.matrix is None else self.matrix.device
        self.nonfinite = torch.zeros((), dtype=torch.bool, device=device)
        self._undo = undo
        self._ball: Ball | None = None

    def look_up(self, site: Site) -> None:
        """Save the rows that the first pass looked up; from then on they move with the other tensors."""
        if self.matrix is None or self._ball is not None:
            return
        if not site.ids:
            self._take_whole()
            return
        ids = torch.cat([ids.reshape(-1) for ids in site.ids])
        self.spare = [*self.spare, self._undo.enter_context(shifted_rows(self.matrix, ids))]
        self._ball = Ball("matrix", ids[None], torch.ones(1, len(ids), 1, device=ids.device))

    def _take_whole(self) -> None:
        """Move all rows of the matrix: its module was not called, so the rows that are used are unknown."""
        assert self._parameter is not None
        matrix = self._parameter.detach()
        self.live, self.dense, self.matrix = [*self.live, self._parameter], [*self.dense, matrix], None
        self.spare = [*self.spare, *self._undo.enter_context(shifted_weights([matrix]))]

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

    def move(self, gradients: list[Tensor | None], rule: Rule, adv_eps: float | None = None) -> None:
        """One ascent step for every tensor, then into its box.

        Args:
            gradients: One for each tensor, scaled; they are overwritten. None is no movement.
            rule: The step.
            adv_eps: Box as a share of each weight's magnitude, or None for no box.
        """
        weights = [*self.dense, *([] if self._ball is None else [self.matrix[self._ball.ids[0]]])]  # type: ignore[index]
        shifts = writable([torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)])
        self.measured = self.lengths(shifts)
        self.nonfinite = self.nonfinite | ~torch.isfinite(torch.stack(self.measured)).all()
        rule(weights, shifts)
        for some, theirs, spare in [(weights, shifts, self.spare)] if self.look else parts(weights, shifts, self.spare):
            self._displace(some, theirs, spare, adv_eps)
        if self._ball is not None:
            self.matrix[self._ball.ids[0]] = weights[-1]  # type: ignore[index]

    def _displace(self, weights: list[Tensor], shifts: list[Tensor], spare: list[Tensor], adv_eps: float | None) -> None:
        """Move ``weights`` by ``shifts``, measured from ``spare`` and cut by the box."""
        torch._foreach_add_(shifts, weights)
        torch._foreach_sub_(shifts, spare)
        if adv_eps is not None:
            # The weights themselves hold the box: they are in the spare copy, and are written again afterwards.
            torch._foreach_copy_(weights, spare)
            torch._foreach_abs_(weights)
            torch._foreach_mul_(weights, adv_eps)
            torch._foreach_minimum_(shifts, weights)
            torch._foreach_neg_(weights)
            torch._foreach_maximum_(shifts, weights)
        if self.nonfinite.device.type != "cpu" or self.nonfinite:  # only a CPU knows it without waiting
            for shift in shifts:
                shift.masked_fill_(self.nonfinite, 0)
        if self.look:
            self._look(shifts, weights if adv_eps is not None else None)
        torch._foreach_copy_(weights, spare)
        torch._foreach_add_(weights, shifts)

    def lengths(self, tensors: list[Tensor]) -> list[Tensor]:
        """L2 norms in fp32; repeated rows count once."""
        lengths = list(torch._foreach_norm(tensors, dtype=in_fp32(tensors)))
        if self._ball is not None:
            lengths[-1] = self._ball.length(tensors[-1][None]).reshape(()).to(lengths[-1].dtype)
        return lengths

    def norms(self, weights: list[Tensor]) -> list[Tensor]:
        """L2 norms of the weights; for the rows, the norm of their complete matrix."""
        norms = list(torch._foreach_norm(weights, dtype=in_fp32(weights)))
        if self.matrix is not None and self._ball is not None:
            norms[-1] = self.matrix.norm()
        return norms

    def _look(self, shifts: list[Tensor], boxes: list[Tensor] | None) -> None:
        if boxes is not None:
            stopped = [((s.abs() >= -b) & (b != 0)).sum() for s, b in zip(shifts, boxes, strict=True)]
            self.seen["clipped"] = torch.stack(stopped).sum() / sum(s.numel() for s in shifts)
        norms = self.norms(self.spare)
        self.seen["relative"] = torch.stack(self.lengths(shifts)).norm() / torch.stack(norms).norm()
