"""AWP: Wu, Xia, Wang 2020, "Adversarial Weight Perturbation Helps Robust Generalization", in the forms that are in use."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adv.core.ball import TINY
from adv.core.limits import Limit, in_box
from adv.core.method import Cost
from adv.core.passes import Passes
from adv.core.settings import COMBINE, NORMS, AttackError, SettingError, setting
from adv.core.shift import find_embedding
from adv.core.weights import Weights, find_weights
from adv.fgm import FGM
from adv.pgd import PGD
from adv.steps.embedding import SHARES, Worst
from adv.steps.weights import WeightMethod

# The listing's additive constant, in units of the unscaled gradient and of the weight.
LISTING_E = 1e-6


@dataclass(kw_only=True)
class AWP(WeightMethod):
    """Each touched weight tensor moves along its gradient, inside a box, and the loss is differentiated there.

    ``w <- clip(w + adv_lr * g / ||g|| * ||w||, w0 - adv_eps |w0|, w0 + adv_eps |w0|)``, ``adv_step`` times, each with a
    fresh gradient. Then the gradient at the perturbed weights replaces (or joins) the clean one. LayerNorm weights and
    embedding matrices move too; biases do not.

    ``form="gamma"`` is the paper's (eq. 8, 10): ``||v|| = adv_lr * ||w||`` for each matrix; vectors do not move; no box.
    ``direction="momentum"`` moves along Adam's running mean of gradients, which it reads from the optimiser (call
    ``follow``): no ascent pass, the cost of a clean step. ``attack`` perturbs the embeddings first, so that texts and
    weights are both at their worst, as in the paper's Algorithm 1. epsilon, alpha, K and norm are settings of that attack.
    """

    paper: ClassVar[str] = "Wu et al. 2020"
    null: ClassVar[tuple[dict[str, Any], ...]] = ({"adv_lr": 0.0}, {"adv_eps": 0.0})

    adv_lr: float = setting(1.0, "step, as a share of the weight tensor's norm", low=0)
    adv_eps: float = setting(0.2, "box, as a share of each weight's magnitude", low=0)
    adv_step: int = setting(1, "ascent steps on the weights", low=1)
    combine: str = setting("replace", "how clean and adversarial gradients are joined", choices=COMBINE)
    form: str = setting("box", "the listing's box, or the paper's gamma", choices=("box", "gamma"))
    direction: str = setting("gradient", "what weights move along", choices=("gradient", "momentum"))
    attack: str = setting("none", "embedding attack that comes before the weights move", choices=("none", "fgm", "pgd"))
    epsilon: float = setting(1.0, "with attack: radius of the ball around the clean embedding", low=0)
    alpha: float = setting(0.3, "with attack=pgd: length of one ascent step", low=0)
    K: int = setting(3, "with attack=pgd: ascent steps", low=1)
    emb_name: str | None = setting(
        None, "with attack: embedding module, if get_input_embeddings() does not give it", optional=True, pattern=True
    )
    norm: str = setting("matrix", "with attack: where the norm is taken", choices=NORMS)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._optimizer: torch.optim.Optimizer | None = None
        if self.direction == "momentum" and self.adv_step > 1:
            raise SettingError(
                f"adv_step must be 1 with direction=momentum (it has no fresh gradient), but is {self.adv_step}"
            )

    @property
    def steps(self) -> int:
        return self.adv_step

    @property
    def idle(self) -> dict[str, str]:
        without = {"none": ("epsilon", "alpha", "K", "norm", "emb_name"), "fgm": ("alpha", "K"), "pgd": ()}[self.attack]
        found = dict.fromkeys(without, f"attack={self.attack}")
        return found | ({"adv_eps": "form=gamma"} if self.form == "gamma" else {})

    def limits(self, clipped: float) -> dict[str, Limit]:
        return in_box(clipped)

    @property
    def shares(self) -> tuple[float, float]:
        return SHARES[self.combine]

    def touched(self, model: nn.Module) -> dict[str, nn.Parameter]:
        return find_weights(model, self.adv_param, matrices_only=self.form == "gamma")

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def cost(self) -> Cost:
        passes = 1 + (self.combine != "replace") if self.direction == "momentum" else self.adv_step + 1
        ascent = {"none": 0, "fgm": 1, "pgd": self.K}[self.attack]
        return Cost(passes + ascent, passes, ascent).spread(self.every)

    def known(self, touched: list[nn.Parameter]) -> list[Tensor] | None:
        if self.direction != "momentum":
            return None
        optimizer = self._optimizer
        if optimizer is None:
            raise AttackError("direction=momentum reads the optimiser: call method.follow(optimizer) once before training")
        states = [optimizer.state.get(p, {}) for p in touched]
        if any(states) and not any("exp_avg" in state for state in states):
            kind = type(optimizer).__name__
            raise AttackError(f"direction=momentum needs a running mean of gradients (exp_avg); {kind} has none: use AdamW")
        # Before the first optimiser step there is no direction, and the step is clean.
        found = [state.get("exp_avg") for state in states]
        return [torch.zeros_like(p) if mean is None else mean.clone() for p, mean in zip(touched, found, strict=True)]

    def aims_at(self, model: nn.Module) -> nn.Module | None:
        return None if self.attack == "none" else find_embedding(model, self.emb_name)

    def aim(self, passes: Passes, embedding: nn.Module) -> Worst:
        common: dict[str, Any] = {"epsilon": self.epsilon, "norm": self.norm, "combine": "replace"}
        attack = FGM(**common) if self.attack == "fgm" else PGD(alpha=self.alpha, K=self.K, **common)
        attack._blind = self._blind
        return attack.find(passes, embedding, 0.0)

    def move(self, weights: Weights, gradients: list[Tensor | None], unit: Tensor) -> None:
        # A micro-batch of weight 0 has no gradient at all: 0 / 1, not 0 / 0.
        floor = torch.where(unit > 0, LISTING_E * unit, 1.0) if self.form == "box" else torch.full_like(unit, TINY)
        added = LISTING_E if self.form == "box" else 0.0

        def rule(tensors: list[Tensor], shifts: list[Tensor]) -> None:
            norms, lengths = torch.stack(weights.norms(tensors)), torch.stack(weights.measured)
            torch._foreach_mul_(shifts, list((self.adv_lr * (norms + added) / (lengths + floor)).unbind()))

        weights.move(gradients, rule, self.adv_eps if self.form == "box" else None)
