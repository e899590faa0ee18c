"""How the objective of training rises with the strength of an attack, on a few batches of a clean model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from adv import FP32, Clean, Method
from adv.core.passes import read_loss
from finetune.training.loop import Training
from finetune.training.steps import Micro, epoch_steps

# So many batches are attacked, and so many are looked at without an attack, which costs a sixth.
ATTACKED, PLAIN = 3, 8


@dataclass(frozen=True)
class Point:
    """What an attack does at one strength.

    Args:
        strength: The settings' common value.
        rise: How much higher the objective of training is than at strength 0, mean over the batches.
        spread: Standard deviation of that over the batches.
    """

    strength: float
    rise: float
    spread: float


class Bed:
    """A clean model and a few batches: each step starts from the same weights, with the same dropout.

    Args:
        training: Its model after some clean evaluations.
        number: How many; the batches are the first that come next.
        attacked: How many of them are attacked.
    """

    def __init__(self, training: Training, number: int, attacked: int = ATTACKED) -> None:
        bench, recipe = training.bench, training.recipe
        steps = epoch_steps(bench.train, recipe, number, Clean(), bench.device)
        self.training, self.attacked = training, attacked
        self.micros = [step.micros[0] for step in islice(steps, max(PLAIN, attacked))]
        self.steps = training.steps // recipe.epochs
        precision = training.precision
        # Nothing scales the loss here, and gradients of fp16 would be lost.
        self.precision = FP32 if precision.dtype is torch.float16 else precision

    def losses(self) -> list[float]:
        """The loss of each batch without an attack."""
        training = self.training
        training.model.train()
        found = []
        with torch.no_grad(), self.precision.autocast(training.bench.device):
            for micro in self.micros:
                torch.manual_seed(micro.seed)
                found.append(read_loss(training.forward(training.model, micro.batch)).float())
        return [float(value) for value in torch.stack(found).cpu()]

    def objectives(self, method: Method) -> list[float]:
        """The objective of one attacked step with each batch.

        Raises:
            AttackError: The attack does not work with this model.
        """
        training = self.training
        method.follow(training.optimiser)
        training.model.train()
        try:
            found = [self._step(method, micro) for micro in self.micros[: self.attacked]]
        finally:
            training.optimiser.zero_grad()
        return [float(value) for value in torch.stack(found).cpu()]

    def _step(self, method: Method, micro: Micro) -> torch.Tensor:
        loss = torch.zeros(())
        for _ in range(method.replays):  # the last replay has moved farthest
            self.training.optimiser.zero_grad()
            torch.manual_seed(micro.seed)
            loss = method.backward(self.training.model, micro.batch, self.precision, self.training.forward)
        return loss.detach().float()


def point_at(strength: float, attacked: Sequence[float], zero: Sequence[float], every: int = 1) -> Point:
    """The point from the objectives of the same batches, under attack and at strength 0.

    Args:
        strength: The strength.
        attacked: The objectives under attack.
        zero: Those at strength 0.
        every: One of so many batches is attacked in training, so the objective rises by that share in the mean.
    """
    rises = (torch.tensor(attacked, dtype=torch.float64) - torch.tensor(zero, dtype=torch.float64)) / every
    if not torch.isfinite(rises).all():
        return Point(strength, math.inf, math.inf)
    return Point(strength, float(rises.mean()), float(rises.std()) if len(rises) > 1 else 0.0)
