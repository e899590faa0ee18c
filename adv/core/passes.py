"""The forward passes of one step, all under the same dropout masks."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from adv.core.calls import Calls, looked_up_in, uncalled
from adv.core.compiled import eagerly, tell_if_compiled
from adv.core.misfit import fits, misfit
from adv.core.precision import Precision
from adv.core.settings import AttackError
from adv.core.sharded import refuse_sharded

Forward = Callable[[nn.Module, Any], Any]
RandomState = list[tuple[torch.device, Tensor]]
EXAMPLE = 'forward=lambda model, batch: criterion(model(batch["x"]), batch["y"])'
# What to do about a loss that must be guessed.
SAY_IT = 'say which it is, forward=lambda model, batch: {"loss": ..., "logits": ...}'


def call_model(model: nn.Module, batch: Any) -> Any:
    """The default forward: ``model(**batch)`` as in transformers.

    Raises:
        AttackError: The model is called in another way; the message shows a ``forward=``.
    """
    if not isinstance(batch, Mapping):
        raise AttackError(misfit(model, batch))
    try:
        return model(**batch)
    except TypeError as error:
        if fits(model, batch, error):
            raise  # from inside the model
        raise AttackError(misfit(model, batch)) from None


def read_loss(output: Any) -> Tensor:
    """The loss in a model's output: a mapping with "loss", an object with ``.loss``, a tuple's first item, or a tensor.

    A loss that is named may be a vector, one for each text. A loss without a name must be a single number: a vector could
    also be the predictions of one output.

    Raises:
        AttackError: There is no loss, or it would be a guess.
    """
    if isinstance(output, Mapping):
        output = output.get("loss")
    elif not hasattr(output, "loss"):
        output = unnamed_loss(output)
    loss = getattr(output, "loss", output)
    if not isinstance(loss, Tensor) or not loss.is_floating_point() or loss.dim() > 1:
        raise AttackError(f"the model returned no loss: put the labels into the batch, or pass forward=, as in {EXAMPLE}")
    return loss.float().mean()


def unnamed_loss(output: Any) -> Any:
    """What is at the place of a loss: the first item of a tuple, or the output itself.

    Raises:
        AttackError: It is a vector, or the tuple's only single number is elsewhere.
    """
    items = output if isinstance(output, tuple) else (output,)
    tensors = [item for item in items if isinstance(item, Tensor) and item.is_floating_point()]
    if not tensors or tensors[0] is not items[0]:
        return items[0] if items else None
    head, rest = tensors[0], tensors[1:]
    # A loss as a vector of length one, beside the predictions of several texts.
    single = head.shape == (1,) and all(item.dim() > 1 and len(item) > 1 for item in rest)
    if head.dim() and any(item.dim() == 0 for item in rest):
        raise AttackError(f"the model returned {shapes_of(tensors)}, and a loss is expected first: {SAY_IT}")
    if head.dim() == 1 and not single:
        raise AttackError(f"the model returned {shapes_of(tensors)}, which may be losses or predictions: {SAY_IT}")
    return head


def shapes_of(tensors: list[Tensor]) -> str:
    """The shapes in words, for messages."""
    return " and ".join("a number" if not item.dim() else f"a tensor {tuple(item.shape)}" for item in tensors[:3])


def read_logits(output: Any) -> Tensor:
    """The logits in a model's output: a mapping with "logits", an object with ``.logits``, or a tuple's second item.

    Raises:
        AttackError: There are no logits, or the order of a tuple would be a guess.
    """
    if isinstance(output, Mapping):
        output = output.get("logits")
    elif isinstance(output, tuple) and not hasattr(output, "logits"):
        unnamed_loss(output)
        output = output[1] if len(output) > 1 else None
    else:
        output = getattr(output, "logits", None)
    if not isinstance(output, Tensor) or not output.is_floating_point():
        raise AttackError("this method compares predictions, but the model returned no logits: return them beside the loss")
    if output.dim() < 2:
        raise AttackError(
            f"this method compares predictions: logits must be (batch, outputs), but are {tuple(output.shape)}"
        )
    return output.float()


def gradients_of(loss: Tensor, tensors: list[Tensor], create_graph: bool = False) -> list[Tensor | None]:
    """Gradients without a change of any ``.grad``; None for a tensor that has no part in the loss.

    Raises:
        AttackError: The model uses reentrant checkpointing, which works only with ``backward()``.
    """
    if not tensors:
        return []
    try:
        return list(torch.autograd.grad(loss, tensors, allow_unused=True, create_graph=create_graph))
    except RuntimeError as error:
        if "use_reentrant" not in str(error):
            raise
        raise AttackError(
            "reentrant gradient checkpointing gives gradients only in a complete backward pass: enable it with "
            'gradient_checkpointing_kwargs={"use_reentrant": False}'
        ) from None


def accelerators(model: nn.Module) -> set[torch.device]:
    """The devices beside the CPU that hold the model."""
    return {p.device for p in model.parameters() if p.device.type not in ("cpu", "meta")}


def random_state(devices: Iterable[torch.device]) -> RandomState:
    """The generators that dropout draws from: the CPU's, and those of the ``accelerators``."""
    others = [(device, torch.get_device_module(device).get_rng_state(device)) for device in devices]
    return [(torch.device("cpu"), torch.get_rng_state()), *others]


def set_random_state(state: RandomState) -> None:
    """Restore the generators to a ``random_state``."""
    for device, value in state:
        if device.type == "cpu":
            torch.set_rng_state(value)
        else:
            torch.get_device_module(device).set_rng_state(value, device)


class NotCalled(AttackError):
    """The embedding module was not called; ``Passes`` names those that were."""


class Passes:
    """Runs the passes of one ``Method.backward``; leaves the RNG where one plain forward pass would.

    Args:
        model: Any module.
        batch: What ``forward`` takes.
        precision: Autocast and scaling.
        forward: ``forward(model, batch)`` returns an output with a loss.
        same_dropout: Replay the first pass's masks in the later ones (FreeLB section 3.3). Otherwise each
            later pass draws its own masks, from a seed that the generator gives.
        share: Share of this micro-batch in its optimiser step: every loss is multiplied by it.
        compiled: Let a compiled model run compiled; compiled code sees neither hooks nor every moved weight.

    ``kept`` holds tensors that a method needs until its step ends.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: Any,
        precision: Precision,
        forward: Forward,
        same_dropout: bool,
        share: float = 1.0,
        *,
        compiled: bool = False,
    ) -> None:
        self.model, self.batch, self.precision, self.forward = model, batch, precision, forward
        self.same_dropout, self.share = same_dropout, share
        self.kept: dict[str, Tensor] = {}
        self._compiled, self._calls = compiled, Calls()
        refuse_sharded(model)
        if not compiled:
            tell_if_compiled(model)
        self.device = next(model.parameters()).device
        self._accelerators = accelerators(model)
        self._before = random_state(self._accelerators)
        self._after: RandomState | None = None

    def scale(self, loss: Tensor) -> Tensor:
        """The loss to differentiate: times the micro-batch's share, and scaled if there is a scaler."""
        return self.precision.scale(loss, self.share)

    def unit(self) -> Tensor:
        """The factor that ``scale`` applies, as a tensor, so that nothing waits for the accelerator."""
        return self.precision.unit(self.device, self.share)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, NotCalled):
            with torch.no_grad(), looked_up_in(self.model) as called:
                self.output()
            error = AttackError(uncalled(self.batch, called))
        if self._after is not None:
            set_random_state(self._after)
        if kind is NotCalled and error is not None:
            raise error from None

    def calls_around(self, embedding: nn.Module) -> list[dict[str, Any]]:
        """The arguments of the modules around the embedding in the last pass, if the batch has no attention_mask."""
        return self._calls.around(embedding)

    def loss(self) -> Tensor:
        """One forward pass; the loss, unscaled, in fp32, shape ()."""
        return read_loss(self.output())

    def output(self) -> Any:
        """One forward pass; the model's output."""
        if self._after is not None:
            if self.same_dropout:
                set_random_state(self._before)
            else:
                torch.manual_seed(int(torch.randint(2**62, ())))
        # Autocast keeps half-precision copies of weights, and a weight attack has moved the weights since.
        torch.clear_autocast_cache()
        with self.precision.autocast(self.device), ExitStack() as around:
            if not self._compiled:
                around.enter_context(eagerly())
                if not (isinstance(self.batch, Mapping) and isinstance(self.batch.get("attention_mask"), Tensor)):
                    around.enter_context(self._calls.recorded(self.model))
            output = self.forward(self.model, self.batch)
        if self._after is None:
            self._after = random_state(self._accelerators)
        return output

    def until(self, module: nn.Module) -> Tensor:
        """A forward pass that ends with the first call of ``module``; its output, or the first item of a tuple.

        Raises:
            AttackError: The module was not called.
        """

        def stop(module: nn.Module, args: Any, output: Any) -> None:
            raise _Reached(output[0] if isinstance(output, tuple) else output)

        handle = module.register_forward_hook(stop)
        try:
            self.output()
        except _Reached as reached:
            return reached.output
        finally:
            handle.remove()
        raise AttackError(f"{type(module).__name__} was not called in the forward pass")

    def normal(self, shape: torch.Size, number: int = 0) -> Tensor:
        """Standard normal numbers of this shape, fp32, from a stream of their own, apart from dropout's.

        They differ from step to step if the generator moves (dropout), and by ``number`` if it does not.
        """
        return torch.randn(shape, generator=self._beside(number), device=self.device)

    def uniform(self, shape: torch.Size, number: int = 0) -> Tensor:
        """Uniform numbers from -1 to 1, drawn as ``normal`` draws."""
        return 2 * torch.rand(shape, generator=self._beside(number), device=self.device) - 1

    def _beside(self, number: int) -> torch.Generator:
        state = random_state(self._accelerators)
        set_random_state(self._before)
        seed = int(torch.randint(2**62, ())) + number
        set_random_state(state)
        return torch.Generator(self.device).manual_seed(seed)


class _Reached(Exception):
    """Raised on purpose, to end a forward pass."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output
