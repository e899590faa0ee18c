"""Forms of FGM, FGSM, AWP and SAM that ``benchmarks/cheaper_attacks.py`` measures: those that methods have, and others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from adv import AWP, FGM, FGSM, SAM, Method
from adv.core.method import Cost
from adv.core.passes import Forward, Passes, call_model, random_state, set_random_state
from adv.core.precision import FP32, Precision
from adv.core.settings import setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.weights import Weights
from adv.steps.embedding import SHARES, Worst


def rows_of(batch: dict[str, Tensor], passes: Passes, share: float) -> Tensor:
    """Row numbers of a random share of the batch, at least one."""
    many = len(next(iter(batch.values())))
    return passes.normal(torch.Size([many]), 1).argsort()[: max(1, round(share * many))].sort().values


def taken(batch: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """These rows of the batch."""
    return {name: values[rows] for name, values in batch.items()}


@dataclass(kw_only=True)
class Rows:
    """Embedding methods: the whole batch clean, and the attack on a random share of its rows."""

    rows: float = setting(0.25, "share of the rows", low=0)

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        assert isinstance(self, FGM | FGSM)
        before, after = SHARES[self.combine]
        embedding = find_embedding(model, self.emb_name)
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:
            worst: Worst = self.find(passes, embedding, before)
            rows = rows_of(batch, passes, self.rows)
            passes.batch = taken(batch, rows)
            with shifted_embeddings(embedding, worst.shift[rows]):
                adversarial = passes.loss()
                (passes.scale(adversarial) * after).backward()  # type: ignore[no-untyped-call]
        self.record(nonfinite=~worst.finite, gap=adversarial.detach() - worst.clean)
        return before * worst.clean + after * adversarial.detach()


@dataclass(kw_only=True)
class Ascent:
    """Weight methods: the ascent passes see only a random share of the batch."""

    rows: float = setting(0.25, "share of the rows", low=0)

    def _climb(self, weights: Weights, passes: Passes, worst: Worst | None, embedding: nn.Module | None) -> Tensor:
        whole, before = passes.batch, random_state(passes.model)
        passes.batch = taken(whole, rows_of(whole, passes, self.rows))
        found: Tensor = super()._climb(weights, passes, worst, embedding)  # type: ignore[misc]
        passes.batch, passes._after = whole, None
        set_random_state(before)
        return found


@dataclass(kw_only=True)
class Kept:
    """Weight methods: a fresh direction every n-th step, kept between; the looked-up rows then stay."""

    fresh: int = setting(4, "steps", low=1)

    _step = 0
    _kept = None

    def known(self, touched: list[nn.Parameter]) -> list[Tensor] | None:
        self._step += 1
        self._touched = touched
        if (self._step - 1) % self.fresh == 0 or self._kept is None:
            self._kept = None
            return None
        kept = {id(p): direction for p, direction in zip(self._owners, self._kept, strict=True)}
        return [kept[id(p)].clone() if id(p) in kept else torch.zeros_like(p) for p in touched]

    def move(self, weights: Weights, gradients: list[Tensor | None], unit: Tensor) -> None:
        if self._kept is None:
            self._owners = [p for p, g in zip(weights.live, gradients, strict=False) if g is not None]
            self._kept = [g.clone() for _, g in zip(weights.live, gradients, strict=False) if g is not None]
        super().move(weights, gradients, unit)  # type: ignore[misc]


@dataclass(kw_only=True)
class Momentum:
    """SAM along Adam's running mean of gradients, or against it (the reference code of momentum-SAM)."""

    sign: float = setting(-1.0, "side")

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def known(self, touched: list[nn.Parameter]) -> list[Tensor]:
        found = [self._optimizer.state.get(p, {}).get("exp_avg") for p in touched]
        return [torch.zeros_like(p) if m is None else self.sign * m for p, m in zip(touched, found, strict=True)]


@dataclass(kw_only=True)
class FGMRows(Rows, FGM):
    """FGM on a share of the rows."""


@dataclass(kw_only=True)
class FGSMRows(Rows, FGSM):
    """FGSM on a share of the rows."""


@dataclass(kw_only=True)
class AWPAscent(Ascent, AWP):
    """AWP with its ascent on a share of the rows."""


@dataclass(kw_only=True)
class AWPKept(Kept, AWP):
    """AWP with a direction that is kept for n steps."""


@dataclass(kw_only=True)
class SAMAscent(Ascent, SAM):
    """SAM with its ascent on a share of the rows."""


@dataclass(kw_only=True)
class SAMKept(Kept, SAM):
    """SAM with a direction that is kept for n steps."""


@dataclass(kw_only=True)
class MomentumSAM(Momentum, SAM):
    """SAM along or against Adam's momentum."""

    def cost(self) -> Cost:
        return Cost(1, 1)


class Variant(NamedTuple):
    """One way to attack: its class, fixed settings, strengths to choose from, and what its step costs in clean steps."""

    name: str
    family: str
    kind: Callable[..., Method]
    fixed: dict[str, Any]
    strength: str
    tiny: tuple[float, ...]
    pretrained: tuple[float, ...]
    step: float


FGM_AT = "fgm", "epsilon", (0.3, 0.6, 1.0, 2.0, 4.0), (0.03, 0.1, 0.3, 1.0)
FGM_LATE = "fgm", "epsilon", (0.3, 0.6, 1.0, 2.0, 4.0), (0.1, 0.3, 1.0, 3.0)
FGSM_AT = "fgsm", "epsilon", (0.003, 0.01, 0.03, 0.06, 0.1), (0.0003, 0.001, 0.003, 0.01)
AWP_AT = "awp", "adv_lr", (0.003, 0.01, 0.03, 0.1, 0.2), (1e-4, 3e-4, 1e-3, 3e-3)
AWP_LATE = "awp", "adv_lr", (0.003, 0.01, 0.03, 0.1, 0.2), (3e-4, 1e-3, 3e-3, 1e-2)
SAM_AT = "sam", "rho", (0.005, 0.02, 0.05, 0.1, 0.3), (0.01, 0.03, 0.1, 0.3)
# The last layers of BERT's kind and of the built-in encoder.
LAST = r"(layer\.5\.|pooler|classifier|mlp\.Wo|head\.dense).*weight"
BOX = {"adv_eps": 0.2}
# Starts: -1 is the last epoch, -0.5 its second half.
VARIANTS = [
    Variant(name, at[0], kind, fixed, *at[1:], step)
    for name, at, kind, fixed, step in [
        ("fgm", FGM_AT, FGM, {}, 2.0),
        ("awp", AWP_AT, AWP, BOX, 2.0),
        ("fgm, last epoch", FGM_LATE, FGM, {"start_epoch": -1}, 2.0),
        ("awp, last epoch", AWP_LATE, AWP, BOX | {"start_epoch": -1}, 2.0),
        ("fgm, last half epoch", FGM_LATE, FGM, {"start_epoch": -0.5}, 2.0),
        ("awp, last half epoch", AWP_LATE, AWP, BOX | {"start_epoch": -0.5}, 2.0),
        ("fgm on a quarter of the rows", FGM_AT, FGMRows, {}, 1.25),
        ("awp, ascent on a quarter of the rows", AWP_AT, AWPAscent, BOX, 1.25),
        ("awp, direction kept for 4 steps", AWP_AT, AWPKept, BOX, 1.25),
        ("awp along Adam's momentum", AWP_AT, AWP, BOX | {"direction": "momentum"}, 1.0),
        ("awp on the last layers", AWP_LATE, AWP, BOX | {"adv_param": LAST}, 1.5),
        ("fgm every 3rd step", FGM_AT, FGM, {"every": 3}, 4 / 3),
        ("awp every 3rd step", AWP_LATE, AWP, BOX | {"every": 3}, 4 / 3),
        ("fgsm", FGSM_AT, FGSM, {}, 2.0),
        ("fgsm, last epoch", FGSM_AT, FGSM, {"start_epoch": -1}, 2.0),
        ("fgsm, last half epoch", FGSM_AT, FGSM, {"start_epoch": -0.5}, 2.0),
        ("fgsm on a quarter of the rows", FGSM_AT, FGSMRows, {}, 1.25),
        ("fgsm every 3rd step", FGSM_AT, FGSM, {"every": 3}, 4 / 3),
        ("sam", SAM_AT, SAM, {}, 2.0),
        ("sam against Adam's momentum", SAM_AT, MomentumSAM, {"sign": -1.0}, 1.0),
        ("sam along Adam's momentum", SAM_AT, MomentumSAM, {"sign": 1.0}, 1.0),
        ("sam, ascent on a quarter of the rows", SAM_AT, SAMAscent, {}, 1.25),
        ("sam, direction kept for 4 steps", SAM_AT, SAMKept, {}, 1.25),
    ]
]
