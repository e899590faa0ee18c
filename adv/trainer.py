"""Adversarial training in transformers' Trainer: a mixin that imports no transformers.

``class MyTrainer(AdversarialTraining, Trainer)``, then ``trainer.method = AWP(start_epoch=1)`` before ``train()``.
"""

from typing import Any

from torch import Tensor, nn

from adv.core.clean import Clean
from adv.core.method import Method
from adv.core.precision import Precision
from adv.core.settings import AttackError

REPLAYS = "FreeAT needs each batch several times, but {} gives it once: write a loop of your own, or choose another method"


class AfterStep:
    """A callback of the Trainer: calls the method's ``after_step`` after every optimiser step, also after a skipped one.

    Args:
        trainer: The Trainer that has the method.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the Trainer."""
        self._trainer.method.at(state.epoch).after_step(self._trainer.model)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


class AdversarialTraining:
    """A mixin before ``Trainer``. Every pass uses the Trainer's own loss, with the Trainer's own share.

    A micro-batch counts its share of ``num_items_in_batch`` if the loss is divided by that number, and 1/N if the loss is a
    mean. BERT and most classifiers take that number and ignore it: set ``loss_is_scaled_for_ga = False`` in the class. Else
    the Trainer adds up the means of N micro-batches undivided, with or without the mixin.

    Attributes:
        method: Any of ``adv.METHODS`` except FreeAT, which needs each batch several times.
        loss_is_scaled_for_ga: Whether the loss is divided by ``num_items_in_batch``; None: what the Trainer detects.

    Example:
        >>> from adv.trainer import AdversarialTraining
        >>> AdversarialTraining.method.cost().relative  # clean training until another method is set
        1.0
    """

    method: Method = Clean()
    loss_is_scaled_for_ga: bool | None = None

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Give the method the optimiser.

        Raises:
            AttackError: This Trainer cannot use the method, or trains on several devices.
        """
        me: Any = self
        if self.method.replays > 1:
            raise AttackError(REPLAYS.format("the Trainer"))
        if me.args.n_gpu > 1 or me.args.world_size > 1:
            raise AttackError(
                "AdversarialTraining trains on one device: set CUDA_VISIBLE_DEVICES to one, and start one process"
            )
        if not any(isinstance(callback, AfterStep) for callback in me.callback_handler.callbacks):
            me.add_callback(AfterStep(me))
        self.method.follow(super().create_optimizer(*args, **kwargs))  # type: ignore[misc]
        return me.optimizer

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """One micro-batch, in place of ``Trainer.training_step``; returns its loss, detached, as the Trainer counts it."""
        me: Any = self

        def forward(model: nn.Module, batch: Any) -> Any:  # a mean again, so that regularisers keep their weight
            loss, output = me.compute_loss(model, dict(batch), True, num_items_in_batch)
            return {**output, "loss": loss / share if whole else loss}

        model.train()
        inputs = me._prepare_inputs(inputs)
        share: float = 1 / me.current_gradient_accumulation_steps
        whole = (me.model_accepts_loss_kwargs and num_items_in_batch is not None) or me.compute_loss_func is not None
        whole = whole if self.loss_is_scaled_for_ga is None else self.loss_is_scaled_for_ga  # as Trainer.training_step
        if whole and num_items_in_batch is not None:
            items = me._get_num_items_in_batch([inputs], me.args.device)
            share = float(items.clamp(min=1) / num_items_in_batch)
        precision = Precision(scaler=me.accelerator.scaler)  # no dtype: the model enters autocast itself
        return self.method.at(me.state.epoch).backward(model, inputs, precision, forward, share) * share
