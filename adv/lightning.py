"""Adversarial training in a LightningModule: a mixin that imports no Lightning.

``class MyModule(AdversarialModule, LightningModule)`` with ``self.model`` and ``configure_optimizers``; then set ``method``.
"""

import math
from typing import Any

import torch
from torch import Tensor

from adv.core.clean import Clean
from adv.core.method import Method
from adv.core.precision import Precision
from adv.core.settings import AttackError
from adv.trainer import REPLAYS

DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class AdversarialModule:
    """A mixin before ``LightningModule``, with manual optimisation, on one device.

    A micro-batch counts 1/N, as with ``Trainer(accumulate_grad_batches=N)``, which does not work with manual optimisation.

    Attributes:
        method: Any of ``adv.METHODS`` except FreeAT, which needs each batch several times.
        accumulate: Micro-batches of an optimiser step.

    Example:
        >>> AdversarialModule.method.cost().relative  # clean training until another method is set
        1.0
    """

    automatic_optimization = False
    method: Method = Clean()
    accumulate: int = 1

    def on_train_start(self) -> None:
        """Give the method the optimiser.

        Raises:
            AttackError: This module cannot use the method, or trains on several devices.
        """
        me: Any = self
        if self.method.replays > 1:
            raise AttackError(REPLAYS.format("Lightning"))
        start, many = self.method.start_epoch, me.trainer.num_training_batches
        if start != int(start) and not math.isfinite(many):
            raise AttackError(f"start_epoch is {start}, but nobody knows how many batches an epoch has: give a whole number")
        if me.trainer.world_size > 1:
            raise AttackError(
                f"AdversarialModule trains on one device, not on {me.trainer.world_size}: set Trainer(devices=1)"
            )
        self.method.follow(me.optimizers().optimizer)

    def training_step(self, batch: Any, index: int) -> Tensor:
        """One micro-batch, and an optimiser step after the last one of a group; returns the loss, detached."""
        me: Any = self
        many = me.trainer.num_training_batches  # infinite, if the data do not say
        begun = (index - index % self.accumulate) / many if math.isfinite(many) else 0
        active: Method = self.method.at(me.current_epoch + begun)
        scaler = getattr(me.trainer.precision_plugin, "scaler", None)
        precision = Precision(dtype=DTYPES.get(me.trainer.precision), scaler=scaler)
        loss = active.backward(me.model, batch, precision, share=1 / self.accumulate)
        if (index + 1) % self.accumulate == 0 or me.trainer.is_last_batch:
            me.optimizers().step()  # with fp16 it unscales first; then on_before_optimizer_step clips
            me.optimizers().zero_grad()
            active.after_step(me.model)
        return loss
