"""What all methods on the embeddings' output share: the module, the unit of lengths, and the diagnostics."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from adv.core.ball import TINY, Ball
from adv.core.batch import turned
from adv.core.mask import own_mask
from adv.core.method import Method
from adv.core.padding import padding_tokens, searched_mask
from adv.core.passes import NotCalled, Passes, gradients_of
from adv.core.settings import AttackError, setting
from adv.core.shift import Site, find_embedding


@dataclass(kw_only=True)
class SiteMethod(Method):
    """A method whose perturbation has the shape of the embeddings' output (batch, seq, hidden)."""

    emb_name: str | None = setting(
        None, "embedding module, if get_input_embeddings() does not give it", optional=True, pattern=True
    )

    _looked = False
    # Whether this is a control: its steps follow noise instead of the gradient.
    _blind = False

    @property
    def geometry(self) -> str:
        """Where lengths are taken: "matrix", "example" or "token"."""
        return "token"

    def rival(self) -> "SiteMethod | None":
        if self.control or self._blind:
            return None
        twin = replace(self)
        twin._blind = True
        return twin

    def aimed(self, gradient: Tensor, passes: Passes) -> Tensor:
        """What an ascent step follows: the gradient (batch, seq, hidden), or for a control one noise for all its steps."""
        if not self._blind:
            return gradient
        if "noise" not in passes.kept:
            passes.kept["noise"] = passes.normal(gradient.shape, self.draw())
        return passes.kept["noise"]

    def ball(self, passes: Passes, ids: Tensor) -> Ball:
        """The geometry of this batch, from its padding and the ids (batch, seq) that the embedding looked up.

        Raises:
            AttackError: There is padding, and no mask shows where.
        """
        mask, calls = own_mask(passes.batch, ids), []
        if mask is None:
            embedding = find_embedding(passes.model, self.emb_name)
            calls = passes.calls_around(embedding)
            mask = searched_mask(passes.batch, ids, calls, padding_tokens(passes.model, embedding))
        over = turned(passes.batch, ids, calls)
        return Ball(self.geometry, ids, mask.to(torch.float32).unsqueeze(-1), text_axis=0 if over else 1)

    def scattered(self, size: float, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        """Noise ``U(-1, 1) * size / sqrt(n)``, with n entries to a length: the length is about size / sqrt(3)."""
        return passes.uniform(output.shape, self.draw()) * ball.mask * (size / ball.spread(output))

    def report(self, ball: Ball, output: Tensor, shift: Tensor, finite: Tensor, **more: Tensor) -> None:
        """Record the diagnostics of one step.

        Args:
            ball: The geometry of the batch.
            output: The embedding's unperturbed output (batch, seq, hidden).
            shift: The perturbation that counted, with the same shape.
            finite: Whether its gradients were finite, shape ().
            more: ``clipped`` and ``gap``, if the method has them, shape ().
        """
        lengths = ball.length(output)
        relative = (ball.length(shift) / lengths.clamp_min(TINY)).sum() / (lengths > 0).sum().clamp_min(1)
        finite = finite & torch.isfinite(more.get("gap", torch.zeros((), device=shift.device)))
        more = {name: value.masked_fill(~finite, 0) if name == "gap" else value for name, value in more.items()}
        self.record(relative=relative, nonfinite=~finite, **more)

    def refuse_swallowed(self, output: Tensor, shift: Tensor) -> None:
        """Refuse a perturbation that half precision rounds away, before it is used.

        This reads back from the device, so it looks only at embeddings in half precision, and only until the first
        perturbation that is not zero.

        Raises:
            AttackError: Every sum rounds back to the clean value.
        """
        if self._looked or output.dtype in (torch.float32, torch.float64):
            return
        self._looked = bool(shift.any())
        added = shift.to(output.dtype)
        if self._looked and bool((output + added == output).all()):
            raise AttackError(
                f"{output.dtype} embeddings swallow this perturbation (every sum rounds back): "
                "keep the weights in fp32 and use autocast, or enlarge the perturbation"
            )


def first(site: Site) -> Tensor:
    """The leaf of the embedding's first call.

    Raises:
        AttackError: The embedding was never called.
    """
    if not site.leaves:
        raise NotCalled
    return site.leaves[0]


def inner_gradient(loss: Tensor, site: Site) -> Tensor:
    """The gradient at the embeddings' output; autograd skips the weights."""
    return grad_of(gradients_of(loss, [first(site)])[0])


def grad_of(gradient: Tensor | None) -> Tensor:
    """The gradient.

    Raises:
        AttackError: There is none.
    """
    if gradient is None:
        raise AttackError("the loss does not depend on the embeddings' output: nothing to attack")
    return gradient
