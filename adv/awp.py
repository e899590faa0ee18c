"""AWP: Wu, Xia, Wang 2020, "Adversarial Weight Perturbation Helps Robust Generalization", as fine-tuners use it."""

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.embedding import SHARES
from adv.method import Cost, Method
from adv.passes import Forward, Passes, call_model
from adv.precision import FP32, Precision
from adv.settings import COMBINE, setting
from adv.shift import Site, shifted_embeddings
from adv.weights import Weights, find_weights, looked_up_matrix

# Diagnostics read every touched weight once more, so they are taken on one step in eight.
LOOK_EVERY = 8


@dataclass(kw_only=True)
class AWP(Method):
    """Each touched weight tensor moves along its gradient, inside a box, and the loss is differentiated there.

    ``w <- clip(w + adv_lr * g / ||g|| * ||w||, w0 - adv_eps |w0|, w0 + adv_eps |w0|)``, ``adv_step`` times with a fresh
    gradient each; then the gradient at the perturbed weights replaces (or joins) the clean one. LayerNorm weights and
    embedding matrices are touched too, biases are not. Of an embedding matrix only the rows in the batch move (the
    others have no gradient), and only they are saved. One spare copy of the touched weights is kept.
    """

    paper: ClassVar[str] = "Wu et al. 2020"

    adv_lr: float = setting(1.0, "step, as a share of the weight tensor's norm", low=0)
    adv_eps: float = setting(0.2, "box, as a share of each weight's magnitude", low=0)
    adv_step: int = setting(1, "ascent steps on the weights", low=1)
    adv_param: str = setting("weight", "which weights: regular expression (a suffix is one) on their names", pattern=True)
    combine: str = setting("replace", "how clean and adversarial gradients are joined", choices=COMBINE)

    _calls = 0

    def diagnostics(self) -> dict[str, float]:
        self._calls = 0  # each epoch looks at the same steps, also after a resume
        return super().diagnostics()

    def cost(self) -> Cost:
        return Cost(self.adv_step + 1, self.adv_step + 1)

    def backward(self, model: nn.Module, batch: Any, precision: Precision = FP32, forward: Forward = call_model) -> Tensor:
        before, after = SHARES[self.combine]
        touched = find_weights(model, self.adv_param)
        embedding, matrix = looked_up_matrix(model, touched)
        dense = [p for p in touched if p is not matrix]
        look = self._calls % LOOK_EVERY == 0
        self._calls += 1
        with Passes(model, batch, precision, forward, self.same_dropout) as passes, ExitStack() as undo:
            weights = Weights(dense, matrix, getattr(embedding, "padding_idx", None), undo)
            unit = precision.unit(passes.device)
            clean = torch.zeros(())
            for step in range(self.adv_step):
                with shifted_embeddings(embedding) if embedding is not None else nullcontext(Site()) as site:
                    loss = passes.loss()
                    weights.look_up(site)
                    joined = [p for p in model.parameters() if p.requires_grad] if before and step == 0 else []
                    gradients = gradients_of(precision.scale(loss), [*dense, *site.leaves, *joined])
                add_gradients(joined, gradients[len(dense) + len(site.leaves) :], before)
                clean = loss.detach() if step == 0 else clean
                moved = gradients[: len(dense)]
                if site.leaves:
                    moved.append(weights.row_gradient(gradients[len(dense) : len(dense) + len(site.leaves)], site, batch))
                weights.move(moved, self.adv_lr, self.adv_eps, unit, look)
                del gradients, moved  # a second copy of the weights otherwise, through the next pass
            adversarial = passes.loss()
            precision.tell(precision.scale(adversarial) * after, weights.nonfinite).backward()  # type: ignore[no-untyped-call]
        self.record(gap=(adversarial - clean).masked_fill(weights.nonfinite, 0), nonfinite=weights.nonfinite)
        if look:
            self.record(relative=weights.relative, clipped=weights.clipped)
        return (before * clean + after * adversarial).detach()


def gradients_of(loss: Tensor, tensors: list[Tensor]) -> list[Tensor | None]:
    """Gradients that touch no ``.grad``; None where a tensor had no part in the loss."""
    return list(torch.autograd.grad(loss, tensors, allow_unused=True))


def add_gradients(parameters: list[nn.Parameter], gradients: list[Tensor | None], share: float) -> None:
    """Add ``share`` of each gradient to ``p.grad``."""
    for p, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            p.grad = gradient * share if p.grad is None else p.grad.add_(gradient, alpha=share)
