"""The protocol of a method: ``loss.backward()`` in a plain loop becomes ``method.backward(model, batch)``."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from adv.core.compiled import untraced
from adv.core.limits import Limit, Reach
from adv.core.passes import Forward, call_model
from adv.core.precision import FP32, Precision
from adv.core.settings import DECIMALS, SettingError, check, setting


class Cost(NamedTuple):
    """Passes of one step; a mean, where steps differ.

    Args:
        forward: Whole forward passes.
        backward: Backward passes to the weights.
        inner: Backward passes only to the embeddings' output.
        first_layer: Forward and inner backward passes through only the embeddings and the first layer.
        second: Backward passes through an inner backward pass.
    """

    forward: float
    backward: float
    inner: float = 0
    first_layer: float = 0
    second: float = 0

    @property
    def relative(self) -> float:
        """The cost in clean steps: a forward counts 1, a full backward 2, an inner backward 1; a clean step is 3.

        Passes through only the first layer are left out (two twelfths each in a base-sized model). A second-order pass
        counts 2.
        """
        return (self.forward + 2 * (self.backward + self.second) + self.inner) / 3

    def spread(self, steps: int) -> "Cost":
        """The mean over so many steps, of which one costs this and the others are clean."""
        if steps == 1:
            return self
        return Cost(*(plain + (own - plain) / steps for own, plain in zip(self, (1, 1, 0, 0, 0), strict=True)))


# A class that overrides one of these takes other steps: the reach and limits of its base no longer hold.
STEPS = {"ascend", "backward", "find", "finish", "move", "passes", "start", "steps"}


@dataclass(kw_only=True)
class Method:
    """Settings of an adversarial training method, and one step of it.

    The contract, tested for every registered method: ``backward`` only adds to ``p.grad``; when it returns or raises,
    weights are bit for bit what they were, no hook stays, and the RNG stands where one plain forward pass would have
    left it; radius zero gives the clean gradient; all passes see the same dropout masks; it returns the objective
    detached, without waiting for an accelerator; padding is never perturbed.

    Raises:
        SettingError: A setting is outside its domain.
    """

    paper: ClassVar[str] = ""
    # A higher number means that the same settings now compute something else: earlier values do not compare.
    formula: ClassVar[int] = 1
    # A control perturbs the same place as far as an attack does, but in a random direction.
    control: ClassVar[bool] = False
    # Groups of settings; each group turns the method into clean training.
    null: ClassVar[tuple[dict[str, Any], ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not STEPS.isdisjoint(vars(cls)):
            for name in {"reach", "limits"} - vars(cls).keys():
                setattr(cls, name, getattr(Method, name))
        if "backward" in vars(cls):
            cls.backward = untraced(cls.backward)  # type: ignore[method-assign]

    start_epoch: float = setting(
        0,
        "first epoch (0-based, or within one: 1.5) that trains adversarially; before it, training is clean",
        low=0,
        whole=True,
    )
    same_dropout: bool = setting(True, "all passes of a step see the same dropout masks")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, check(field.name, field, getattr(self, field.name)))
        if self.start_epoch != int(self.start_epoch) and self.replays > 1:
            why = "an epoch whose batches are replayed is replayed from its first batch"
            raise SettingError(
                f"start_epoch must be a whole number for {type(self).__name__}, but is {self.start_epoch}: {why}"
            )
        self._drawn = 0
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    @property
    def replays(self) -> int:
        """How often a loop trains on each batch, with an optimiser step each time: 1 for all methods except FreeAT."""
        return 1

    @property
    def idle(self) -> dict[str, str]:
        """Settings that do nothing beside the current others, each with the setting that makes it idle."""
        return {}

    def rival(self) -> "Method | None":
        """The control of this method with these settings: the same place, start, radius and steps, in a random direction.

        Returns:
            A new method; None if there is no direction to replace: clean training, noise, and what is a control itself.

        Example:
            >>> from adv import FGM, RandomDirection
            >>> FGM(epsilon=0.5).rival().epsilon, RandomDirection().rival()
            (0.5, None)
        """
        return None

    def at(self, epoch: float) -> "Method":
        """What trains at a time: clean training before ``start_epoch``, this method from then on.

        Args:
            epoch: Number of the epoch, from 0, plus the share of it that is gone. A loop that asks once an epoch begins a
                fractional start at the next whole epoch; one that asks before every optimiser step, with the share of the
                epoch's steps that are gone, begins it there.

        Example:
            >>> from adv import FGM
            >>> method = FGM(start_epoch=1)
            >>> type(method.at(0)).__name__, method.at(1) is method
            ('Clean', True)
            >>> [type(FGM(start_epoch=0.5).at(step / 4)).__name__ for step in range(4)]
            ['Clean', 'Clean', 'FGM', 'FGM']
        """
        from adv.core.clean import Clean

        return self if round(epoch, DECIMALS) >= round(self.start_epoch, DECIMALS) else Clean()

    def reach(self) -> Reach | None:
        """How far the attack leads at most, or None if its settings do not bound it.

        A class with its own steps must override this.
        """
        return None

    def limits(self, clipped: float) -> dict[str, Limit]:
        """Settings that had no effect, by name.

        Args:
            clipped: Share that the ball or box stopped, from ``diagnostics``.
        """
        return {}

    def cost(self) -> Cost:
        """The passes of one step.

        Example:
            >>> from adv import PGD
            >>> PGD(K=3).cost().forward, round(PGD(K=3).cost().relative, 2)
            (4, 3.33)
        """
        raise NotImplementedError

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Call this once, before the first step, with the optimiser; some methods read its state."""

    def backward(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision = FP32,
        forward: Forward = call_model,
        share: float = 1.0,
    ) -> Tensor:
        """Add the gradient of this step's objective to ``p.grad``.

        Args:
            model: Called as ``forward(model, batch)``.
            batch: Usually a mapping with ``input_ids``, ``attention_mask`` and ``labels``.
            precision: Autocast and loss scaling.
            forward: For models that are not called as ``model(**batch)``, or return no loss.
            share: Share of this micro-batch in the rows of its optimiser step, with gradient accumulation.

        Returns:
            The objective, detached, unscaled, shape ().

        Raises:
            AttackError: The attack cannot act on this model.

        Example:
            >>> import torch
            >>> from adv import FGM
            >>> class Model(torch.nn.Module):
            ...     def __init__(self):
            ...         super().__init__()
            ...         self.words, self.out = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 2)
            ...     def forward(self, input_ids, labels):
            ...         logits = self.out(self.words(input_ids).mean(1))
            ...         return torch.nn.functional.cross_entropy(logits, labels)
            >>> model, batch = Model(), {"input_ids": torch.tensor([[1, 2, 3]]), "labels": torch.tensor([1])}
            >>> loss = FGM(epsilon=0.5, emb_name="words").backward(model, batch)
            >>> loss.requires_grad, model.out.weight.grad.shape
            (False, torch.Size([2, 4]))
        """
        raise NotImplementedError

    def after_step(self, model: nn.Module) -> None:
        """Call this after each optimiser step, also after one that a GradScaler skipped; it updates teachers."""

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors that a resumed run needs."""
        return {"drawn": torch.tensor(self._drawn)} if self._drawn else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what ``state_dict`` returned; an empty dict is a fresh start."""
        self._drawn = int(state.get("drawn", 0))

    def draw(self) -> int:
        """The number of the next random draw: noise differs from step to step, even if nothing moves the generator."""
        self._drawn += 1
        return self._drawn

    def record(self, **values: Tensor) -> None:
        """Add to the diagnostics of the epoch; nothing is read back from the device here."""
        for name, value in values.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def diagnostics(self) -> dict[str, float]:
        """What the attack did since the last call; empty if no step was attacked.

        Means of ``relative`` (size of the perturbation against what it perturbs), ``clipped`` (share that the ball
        or box stopped) and ``gap`` (adversarial minus clean loss); ``nonfinite`` and ``attacked`` count steps.
        """
        if not self._sums:
            return {}
        names = list(self._sums)
        values = torch.stack([self._sums[name].cpu() for name in names]).tolist()
        means = {name: value / self._counts[name] for name, value in zip(names, values, strict=True)}
        if "nonfinite" in means:
            means["nonfinite"] *= self._counts["nonfinite"]
            means["attacked"] = float(self._counts["nonfinite"])
        self._sums, self._counts = {}, {}
        return means
