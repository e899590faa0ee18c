"""The step that weight attacks share: ascent passes move the weights, one pass counts, and the weights are restored."""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from adv.core.clean import Clean
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model, gradients_of
from adv.core.precision import FP32, Precision
from adv.core.settings import AttackError, setting
from adv.core.shift import Site, shifted_embeddings
from adv.core.weights import Weights, find_weights, looked_up_matrix
from adv.steps.embedding import SHARES, Worst
from adv.steps.spaced import Spaced

# Diagnostics read every touched weight again, so only one step in eight takes them.
LOOK_EVERY = 8
UNUSED = "the loss depends on none of the weights that adv_param matches"


@dataclass(kw_only=True)
class WeightMethod(Spaced):
    """Weights move ``steps`` times along fresh gradients. The gradient there counts, and they are restored bit for bit.

    Of an embedding matrix, only the rows of the batch move (the others have no gradient), and only these are saved. The step
    keeps one spare copy of the touched weights.
    """

    adv_param: str = setting("weight", "which weights: regular expression (a suffix is one) on their names", pattern=True)

    _calls = 0
    # Whether this is a control: weights move along normal numbers instead of gradients.
    _blind = False

    @property
    def steps(self) -> int:
        """Ascent steps on the weights, each with a pass of its own."""
        return 1

    @property
    def shares(self) -> tuple[float, float]:
        """How much the gradients before and after the move of the weights count."""
        return SHARES["replace"]

    def touched(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """The weights that move, by name."""
        return find_weights(model, self.adv_param)

    def move(self, weights: Weights, gradients: list[Tensor | None], unit: Tensor) -> None:
        """One ascent step along ``gradients``, which are scaled by ``unit`` (shape ()) and may be overwritten."""
        raise NotImplementedError

    def aims_at(self, model: nn.Module) -> nn.Module | None:
        """The embedding module that is perturbed while the weights are attacked, or None."""
        return None

    def aim(self, passes: Passes, embedding: nn.Module) -> Worst:
        """The perturbation of the output of ``embedding``."""
        raise NotImplementedError

    def known(self, touched: list[nn.Parameter]) -> list[Tensor] | None:
        """Directions that are known before any pass, one for each weight; None if they come from passes."""
        return None

    def rival(self) -> "WeightMethod | None":
        if self.control or self._blind:
            return None
        twin = replace(self)
        twin._blind = True
        return twin

    def slopes(self, loss: Tensor, moved: list[Tensor], joined: list[Tensor], passes: Passes) -> list[Tensor | None]:
        """The directions of ``moved``, then the gradients of ``joined``; None for a tensor that has no part in the loss."""
        return gradients_of(loss, [*moved, *joined])

    def cost(self) -> Cost:
        return Cost(self.steps + 1, self.steps + 1).spread(self.every)

    def diagnostics(self) -> dict[str, float]:
        self._calls = 0  # each epoch looks at the same steps, also after a resume
        return super().diagnostics()

    def looks(self) -> bool:
        """Whether this step takes the diagnostics; counts the steps."""
        self._calls += 1
        return self._calls % LOOK_EVERY == 1

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        if not self.turn():
            return Clean().backward(model, batch, precision, forward, share)
        before, after = self.shares
        touched = list(self.touched(model).values())
        directions = None if self._blind else self.known(touched)
        embedding, matrix = looked_up_matrix(model, touched) if directions is None else (None, None)
        target = self.aims_at(model)
        if target is not None and target is not embedding:
            embedding = matrix = None  # the hook that perturbs finds the rows, and it is on another module
        dense = [p for p in touched if p is not matrix]
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes, ExitStack() as undo:
            worst = None if target is None else self.aim(passes, target)
            weights = Weights(dense, matrix, getattr(embedding, "padding_idx", None), undo)
            weights.look = self.looks()
            clean: Tensor | None
            if directions is None:
                clean = self._climb(weights, passes, worst, embedding)
            else:
                clean = self._clean(passes, worst)
                self.move(weights, [*directions], torch.ones((), device=passes.device))
            with under(worst, None):
                adversarial = passes.loss()
            spoiled = weights.nonfinite if worst is None else weights.nonfinite | ~worst.finite
            precision.tell(passes.scale(adversarial) * after, spoiled).backward()  # type: ignore[no-untyped-call]
        adversarial, start = adversarial.detach(), clean if worst is None else worst.clean
        gap = torch.zeros_like(adversarial) if start is None else adversarial - start
        spoiled = spoiled | ~torch.isfinite(gap)
        self.record(nonfinite=spoiled, **({} if start is None else {"gap": gap.masked_fill(spoiled, 0)}))
        if weights.look:
            self.record(**weights.seen)
        return after * adversarial if clean is None else before * clean + after * adversarial

    def _climb(self, weights: Weights, passes: Passes, worst: Worst | None, embedding: nn.Module | None) -> Tensor:
        """Move the weights ``steps`` times; returns the loss before."""
        model, scale, before = passes.model, passes.scale, self.shares[0]
        clean = torch.zeros(())
        for step in range(self.steps):
            with under(worst, embedding) as site:
                loss = passes.loss()
                weights.look_up(site)
                count = len(weights.live)
                rows = [] if weights.matrix is None else site.leaves
                joined = [p for p in model.parameters() if p.requires_grad] if before and step == 0 else []
                slopes = self._aimed(scale(loss), [*weights.live, *rows], [*joined], passes)
            add_gradients(joined, slopes[count + len(rows) :], before)
            clean = loss.detach() if step == 0 else clean
            if all(slope is None for slope in slopes[: count + len(rows)]):
                uncalled = embedding is not None and not site.ids
                what = "the embedding module was not called in the forward pass" if uncalled else UNUSED
                raise AttackError(f"{what}: nothing to perturb")
            moved = slopes[:count]
            if rows:
                moved.append(weights.row_gradient(slopes[count : count + len(rows)], site, passes.batch))
            self.move(weights, moved, torch.ones_like(passes.unit()) if self._blind else passes.unit())
            del loss, slopes, moved  # else a graph and a copy of the weights stay through the next pass
        return clean

    def _aimed(self, loss: Tensor, moved: list[Tensor], joined: list[Tensor], passes: Passes) -> list[Tensor | None]:
        """As ``slopes``; a control's weights follow normal numbers, and no pass is spent on them."""
        if not self._blind:
            return self.slopes(loss, moved, joined, passes)
        noise = [passes.normal(tensor.shape, self.draw()) for tensor in moved]
        return [*noise, *self.slopes(loss, [], joined, passes)]

    def _clean(self, passes: Passes, worst: Worst | None) -> Tensor | None:
        """The pass before the weights move, if its gradient is joined; returns its loss."""
        if not self.shares[0]:
            return None
        with under(worst, None):
            loss = passes.loss()
            (passes.scale(loss) * self.shares[0]).backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def under(worst: Worst | None, embedding: nn.Module | None) -> AbstractContextManager[Site]:
    """A pass with the embedding perturbation, if there is one; else a pass that sees what ``embedding`` looks up."""
    if worst is not None:
        return shifted_embeddings(worst.embedding, worst.shift)
    return nullcontext(Site()) if embedding is None else shifted_embeddings(embedding)


def add_gradients(parameters: list[nn.Parameter], gradients: list[Tensor | None], share: float) -> None:
    """Add ``share`` of each gradient to ``p.grad``."""
    for p, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            p.grad.add_(gradient, alpha=share)
