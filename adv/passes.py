"""The forward passes of one step, all under the same dropout masks."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from adv.precision import Precision
from adv.settings import AttackError

Forward = Callable[[nn.Module, Any], Any]
RandomState = list[tuple[torch.device, Tensor]]


def call_model(model: nn.Module, batch: Any) -> Any:
    """The default forward: ``model(**batch)`` as in transformers."""
    return model(**batch)


def read_loss(output: Any) -> Tensor:
    """The loss in a model's output: a mapping with "loss", an object with ``.loss``, a tuple's first item, or a tensor.

    Raises:
        AttackError: There is no loss in it.
    """
    if isinstance(output, Mapping):
        output = output.get("loss")
    elif isinstance(output, tuple) and not hasattr(output, "loss"):
        output = output[0]
    loss = getattr(output, "loss", output)
    if not isinstance(loss, Tensor) or not loss.is_floating_point() or loss.dim() > 1:
        raise AttackError("the model returned no loss: put the labels into the batch, or pass forward=")
    return loss.float().mean()


def random_state(model: nn.Module) -> RandomState:
    """The generators that dropout draws from: the CPU's, and that of each accelerator the model lies on."""
    state: RandomState = [(torch.device("cpu"), torch.get_rng_state())]
    for device in {p.device for p in model.parameters() if p.device.type not in ("cpu", "meta")}:
        state.append((device, torch.get_device_module(device).get_rng_state(device)))
    return state


def set_random_state(state: RandomState) -> None:
    """Put the generators where ``random_state`` found them."""
    for device, value in state:
        if device.type == "cpu":
            torch.set_rng_state(value)
        else:
            torch.get_device_module(device).set_rng_state(value, device)


class Passes:
    """Runs the passes of one ``Method.backward``; leaves the RNG where one plain forward pass would.

    Args:
        model: Any module.
        batch: What ``forward`` takes.
        precision: Autocast and scaling.
        forward: ``forward(model, batch)`` returns an output with a loss.
        same_dropout: Replay the first pass's masks in the later ones (FreeLB section 3.3). Otherwise each
            later pass draws masks of its own, from a seed taken off the generator.
    """

    def __init__(self, model: nn.Module, batch: Any, precision: Precision, forward: Forward, same_dropout: bool) -> None:
        self.model, self.batch, self.precision, self.forward = model, batch, precision, forward
        self.same_dropout = same_dropout
        self.device = next(model.parameters()).device
        self._before = random_state(model)
        self._after: RandomState | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._after is not None:
            set_random_state(self._after)

    def loss(self) -> Tensor:
        """One forward pass; the loss, unscaled, in fp32, shape ()."""
        if self._after is not None:
            if self.same_dropout:
                set_random_state(self._before)
            else:
                torch.manual_seed(int(torch.randint(2**62, ())))
        with self.precision.autocast(self.device):
            output = self.forward(self.model, self.batch)
        if self._after is None:
            self._after = random_state(self.model)
        return read_loss(output)

    def noise(self, shape: torch.Size, number: int = 0) -> Tensor:
        """Standard normal numbers of this shape, fp32, drawn beside the dropout's stream.

        They differ from step to step where the generator moves (dropout), and by ``number`` where it does not.
        """
        state = random_state(self.model)
        set_random_state(self._before)
        seed = int(torch.randint(2**62, ())) + number
        set_random_state(state)
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(shape, generator=generator, device=self.device)
