"""SMART: Jiang et al. 2020, "SMART: Robust and Efficient Fine-Tuning ... through Principled Regularized Optimization"."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import Ball, largest
from adv.core.divergence import detached_pair, symmetric
from adv.core.limits import Limit, Reach, in_ball, walked
from adv.core.method import Cost
from adv.core.passes import Passes, read_logits
from adv.core.settings import setting
from adv.core.shift import shifted_weights
from adv.steps.regularised import RegularisedMethod


@dataclass(kw_only=True)
class SMART(RegularisedMethod):
    """Smoothness in a ball (eq. 1, 2) and a Bregman proximal term with an averaged teacher (eq. 3, 5).

    From noise ``N(0, sigma^2)``, K times ``delta <- clip(delta + alpha * g / max|g|, -epsilon, epsilon)``, with the maximum
    of each token: epsilon bounds every entry (in other code it only guards a division). R pulls each prediction
    towards the other one, which is held fixed, as both codes of the authors do. ``teacher_weight`` adds
    ``KL(f_teacher(e) || f(e)) + KL(f(e) || f_teacher(e))``, the paper's symmetric loss, with f_teacher held fixed. After
    every optimiser step the teacher is ``beta * teacher + (1 - beta) * weights`` (the paper's mu and beta). The paper
    divides by the norm with a floor that is larger than the norm at these sizes; here the step is exactly alpha. The paper's
    sigma, 1e-5, is lost in half precision (the direction is noise). Ours works in fp16; bf16 needs 1e-3.
    """

    paper: ClassVar[str] = "Jiang et al. 2020"
    formula: ClassVar[int] = 2
    null: ClassVar[tuple[dict[str, Any], ...]] = ({"reg_weight": 0.0, "teacher_weight": 0.0},)

    epsilon: float = setting(1e-3, "radius of the ball, per entry of the embedding", low=0)
    alpha: float = setting(1e-3, "length of one ascent step, per entry", low=0)
    sigma: float = setting(1e-4, "size of the noise that the ascent starts from", low=0)
    K: int = setting(1, "ascent steps; 0 is only noise", low=0)
    teacher_weight: float = setting(1.0, "weight of the proximal term", low=0)
    beta: float = setting(0.99, "decay of the averaged teacher", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._teacher: list[Tensor] = []

    @property
    def idle(self) -> dict[str, str]:
        found = {} if self.teacher_weight else {"beta": "teacher_weight=0"}
        if not self.reg_weight:
            return found | dict.fromkeys(("epsilon", "alpha", "sigma", "K"), "reg_weight=0")
        return found | ({} if self.K else {"alpha": "K=0"})

    @property
    def steps(self) -> int:
        return self.K

    def reach(self) -> Reach:
        return walked(self, self.steps)

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_ball(clipped)

    def cost(self) -> Cost:
        plain = super().cost()
        return plain._replace(forward=plain.forward + (self.teacher_weight > 0))

    def prepare(self, passes: Passes) -> None:
        """Make the teacher's predictions, before the clean pass keeps a graph that uses the weights."""
        if not self.teacher_weight:
            return
        weights = trained(passes.model)
        if not self._teacher:
            self._teacher = [weight.clone() for weight in weights]
        self._teacher = [old.to(new.device) for old, new in zip(self._teacher, weights, strict=True)]
        with torch.no_grad(), shifted_weights(weights):
            torch._foreach_copy_(weights, self._teacher)
            passes.kept["target"] = read_logits(passes.output())

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        noise = self.sigma * passes.normal(output.shape, self.draw())
        return noise.clamp(-self.epsilon, self.epsilon) * ball.mask

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        moved = shift + self.alpha * largest(gradient * ball.mask)
        cut = ((moved.abs() > self.epsilon).float() * ball.mask).sum() / (ball.mask.sum() * shift.shape[-1]).clamp_min(1)
        return moved.clamp(-self.epsilon, self.epsilon), cut

    def penalty(self, logits: Tensor, moved: Tensor, distance: str, mask: Tensor) -> Tensor:
        return detached_pair(logits, moved, distance, mask)

    def extra(self, logits: Tensor, distance: str, mask: Tensor, passes: Passes) -> Tensor:
        if not self.teacher_weight:
            return super().extra(logits, distance, mask, passes)
        return self.teacher_weight * symmetric(passes.kept["target"], logits, distance, mask)

    def after_step(self, model: nn.Module) -> None:
        if self._teacher:
            torch._foreach_lerp_(self._teacher, trained(model), 1 - self.beta)

    def state_dict(self) -> dict[str, Tensor]:
        return super().state_dict() | {f"teacher.{i}": tensor for i, tensor in enumerate(self._teacher)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        count = sum(name.startswith("teacher.") for name in state)
        self._teacher = [state[f"teacher.{i}"].clone() for i in range(count)]


def trained(model: nn.Module) -> list[Tensor]:
    """The weights that training changes."""
    return [p.detach() for p in model.parameters() if p.requires_grad]
