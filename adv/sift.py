"""SiFT: He et al. 2021, "DeBERTa", section "Scale invariant fine-tuning": perturbations of normalised embeddings."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import Ball, largest
from adv.core.divergence import detached_pair
from adv.core.modules import unwrapped
from adv.core.passes import Passes
from adv.core.settings import setting
from adv.core.shift import members_of
from adv.steps.regularised import RegularisedMethod


@dataclass(kw_only=True)
class SiFT(RegularisedMethod):
    """Smoothness against perturbations of embeddings that are normalised to mean 0 and variance 1 for each token.

    ``z`` is normal noise of deviation sigma, cut at 2 sigma; K times ``z <- z + alpha * g / max|g|``; then R is
    ``KL(f' || f_z) + KL(f_z' || f)``. f_z is the prediction at ``normalised(e) + z``; a dash marks a side that is held
    fixed, as in the authors' code (with gradients through both sides, the weight would act twice as strongly). The layer
    norm behind the embeddings removes any scale. So the same is reached by adding z times the standard deviation of that
    norm's input, without a change to the model. With the authors' alpha, a hundredth of sigma, the perturbation is almost
    random: compare with R3F.
    """

    paper: ClassVar[str] = "He et al. 2021"
    formula: ClassVar[int] = 2

    reg_weight: float = setting(5.0, "weight of the regulariser", low=0)
    sigma: float = setting(1e-2, "noise size, against the embedding's deviation", low=0)
    alpha: float = setting(1e-4, "length of one ascent step, per entry, against the embedding's deviation", low=0)
    K: int = setting(1, "ascent steps; 0 is only noise", low=0)

    @property
    def idle(self) -> dict[str, str]:
        return {} if self.K else {"alpha": "K=0"}

    @property
    def steps(self) -> int:
        return self.K

    @contextmanager
    def observing(self, passes: Passes, embedding: nn.Module) -> Iterator[None]:
        """Keep the input of the norm behind the embeddings: a norm beside them that is called before any layer."""
        norms, layers = parts_beside(passes.model, embedding)
        seen: list[nn.Module] = []

        def keep(module: nn.Module, args: Any) -> None:
            if not seen and module in norms:
                passes.kept["input"] = args[0].detach()
            seen.append(module)

        with ExitStack() as hooks:
            for module in [*norms, *layers]:
                hooks.callback(module.register_forward_pre_hook(keep).remove)
            yield

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        into = passes.kept.get("input", output)
        into = into if into.shape == output.shape else output
        noise = self.sigma * passes.normal(output.shape, self.draw())
        passes.kept["scale"] = into.float().std(-1, keepdim=True, correction=0) * ball.mask
        passes.kept["z"] = noise.clamp(-2 * self.sigma, 2 * self.sigma)
        return passes.kept["z"] * passes.kept["scale"]

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        # By the chain rule the gradient for z is the scale times this one; the scale is one number for each token.
        passes.kept["z"] = passes.kept["z"] + self.alpha * largest(gradient * ball.mask)
        return passes.kept["z"] * passes.kept["scale"], torch.zeros((), device=shift.device)

    def penalty(self, logits: Tensor, moved: Tensor, distance: str, mask: Tensor) -> Tensor:
        return detached_pair(logits, moved, distance, mask)


def parts_beside(model: nn.Module, embedding: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """The norms and the layers in the modules that hold the embedding: GPT-2's only norm there comes after its layers."""
    norms, layers = [], []
    for module in model.modules():
        children = [unwrapped(child) for child in module.children()]
        if any(child in members_of(embedding) for child in children):
            norms += [child for child in children if "Norm" in type(child).__name__]
            layers += [unwrapped(layer) for child in children if isinstance(child, nn.ModuleList) for layer in child]
    return norms, layers
