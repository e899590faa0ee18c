"""One training step observed from outside: what a method touched, and which gradients came back to the loss."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from adv import Method, Precision
from adv.core.ball import TINY
from adv.core.passes import Forward, call_model
from finetune.training.steps import Micro

# A loss scale is 2 to 65536: a gradient that arrives with a thousandth of it was not scaled.
UNSCALED = 1e-3


@dataclass(frozen=True)
class Outcome:
    """The result of one step.

    Args:
        objective: The objective that the method returned.
        norm: L2 norm of the gradient of all parameters, of this micro-batch, without loss scale.
        gradients: The same gradients, one for each parameter that has one, by name.
    """

    objective: float
    norm: float
    gradients: dict[str, Tensor]


@dataclass(frozen=True)
class Bed:
    """Where steps are tried: each starts without gradients and with the same dropout, and does not change the weights.

    Args:
        model: The model.
        micro: The batch of the steps.
        precision: Autocast and loss scaling.
        forward: How a pass calls the model.
    """

    model: nn.Module
    micro: Micro
    precision: Precision
    forward: Forward = call_model

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def unit(self) -> Tensor:
        """The factor of a gradient: the micro-batch's share times the loss scale."""
        return self.precision.unit(self.device, self.micro.weight)

    def run(self, method: Method, forward: Forward | None = None) -> Tensor:
        """Run one step of ``method`` as the training loop does, or with an observed ``forward``; return its objective."""
        self.model.zero_grad()
        self.model.train()
        torch.manual_seed(self.micro.seed)
        return method.backward(self.model, self.micro.batch, self.precision, forward or self.forward, self.micro.weight)

    def outcome(self, method: Method, forward: Forward | None = None) -> Outcome:
        """Run one step and return its objective and gradients."""
        objective = float(self.run(method, forward))
        unit = self.unit
        named = {name: p.grad.float() / unit for name, p in self.model.named_parameters() if p.grad is not None}
        norm = torch.stack([g.norm() for g in named.values()]).norm() if named else torch.zeros(())
        return Outcome(objective, float(norm), named)


@dataclass
class Observer:
    """Observes every pass of a step that goes through ``forward``.

    Args:
        model: The model of the step.
        unit: The loss scale times the micro-batch's share; None if there is no scaler.
        called: How a pass calls the model.

    Attributes:
        modules: Largest relative change that hooks made to the output of each hooked module, by name.
        weights: How many numbers changed in each weight tensor that differed from the original in some pass, by name.
        moved: Largest relative change of all touched weight tensors together.
        under: Loss of the last pass that saw a perturbation; None if no pass did.
        arrived: The smallest nonzero absolute gradient that came back to a loss.
    """

    model: nn.Module
    unit: float | None
    called: Forward = call_model
    modules: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    moved: float = 0.0
    under: float | None = None
    arrived: float = float("inf")

    def __post_init__(self) -> None:
        self._before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._hooks = {name: hooks_of(module) for name, module in self.model.named_modules()}

    @property
    def unscaled(self) -> bool:
        """Whether a loss was differentiated without the loss scale."""
        return self.unit is not None and self.arrived < self.unit * UNSCALED

    @property
    def relative(self) -> float | None:
        """The largest relative change seen; None if nothing was touched."""
        return max([*self.modules.values(), self.moved]) if self.modules or self.weights else None

    def forward(self, model: nn.Module, batch: Any) -> Any:
        """The model's forward pass under observation, for ``Method.backward``."""
        perturbed = self._look_at_weights()
        with ExitStack() as readers:
            changes = [
                self._read(name, module, readers)
                for name, module in model.named_modules()
                if hooks_of(module) - self._hooks.get(name, set())
            ]
            output = self.called(model, batch)
        loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        if isinstance(loss, Tensor):
            if perturbed or any(max(change, default=0.0) > 0 for change in changes):
                self.under = float(loss.detach().float().mean())
            if loss.requires_grad:
                loss.register_hook(self._arrive)  # type: ignore[no-untyped-call]
        return output

    def _look_at_weights(self) -> bool:
        """Note which weights differ from the original; return whether any does."""
        squares, whole = 0.0, 0.0
        for name, p in self.model.named_parameters():
            changed = int((p.detach() != self._before[name]).sum())
            if changed:
                self.weights[name] = max(changed, self.weights.get(name, 0))
            if name in self.weights:
                squares += float((p.detach().float() - self._before[name].float()).square().sum())
                whole += float(self._before[name].float().square().sum())
        self.moved = max(self.moved, (squares / max(whole, TINY)) ** 0.5)
        return squares > 0

    def _read(self, name: str, module: nn.Module, readers: ExitStack) -> list[float]:
        """Compare the module's output before and after all hooks; return where the changes will be stored."""
        self.modules.setdefault(name, 0.0)
        seen: list[Tensor] = []
        changes: list[float] = []

        def first(module: nn.Module, args: Any, output: Any) -> None:
            seen.append(tensor_of(output).detach().float())

        def last(module: nn.Module, args: Any, output: Any) -> None:
            raw = seen.pop()
            change = (tensor_of(output).detach().float() - raw).norm() / raw.norm().clamp_min(TINY)
            changes.append(float(change))
            self.modules[name] = max(self.modules[name], changes[-1])

        readers.callback(module.register_forward_hook(first, prepend=True).remove)
        readers.callback(module.register_forward_hook(last).remove)
        return changes

    def _arrive(self, gradient: Tensor) -> None:
        value = float(gradient.detach().float().abs().sum())
        if value > 0:
            self.arrived = min(self.arrived, value)


def hooks_of(module: nn.Module) -> set[tuple[int, int]]:
    """The forward hooks on a module."""
    return {(id(hooks), key) for hooks in (module._forward_hooks, module._forward_pre_hooks) for key in hooks}


def tensor_of(output: Any) -> Tensor:
    """The first tensor in a module's output."""
    found: Tensor = output if isinstance(output, Tensor) else output[0]
    return found
