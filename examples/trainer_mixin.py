"""The mixin of hf_trainer.py: losses are the Trainer's own, in every pass, and count as it counts them."""

from transformers import TrainerCallback

from adv import AttackError, Clean, Precision


class Adversarial(TrainerCallback):
    """``class MyTrainer(Adversarial, Trainer)``; set ``method`` before ``train()``. It is a callback of its own."""

    method = Clean()

    def create_optimizer(self, *args, **kwargs):
        if self.method.replays > 1 or self.args.n_gpu > 1 or self.args.world_size > 1:
            raise AttackError("the Trainer trains on a batch once (FreeAT wants it several times); this one on one device")
        if self not in self.callback_handler.callbacks:
            self.add_callback(self)
        self.method.follow(super().create_optimizer(*args, **kwargs))
        return self.optimizer

    def on_optimizer_step(self, args, state, control, **kwargs):
        if state.epoch >= self.method.start_epoch:
            self.method.after_step(self.model)

    def training_step(self, model, inputs, num_items_in_batch=None):
        def forward(model, batch):  # a mean again, beside which regularisers keep their weight
            loss, output = self.compute_loss(model, dict(batch), True, num_items_in_batch)
            return {**output, "loss": loss / share if whole else loss}

        model.train()
        inputs, share = self._prepare_inputs(inputs), 1 / self.current_gradient_accumulation_steps
        whole = (self.model_accepts_loss_kwargs and num_items_in_batch is not None) or self.compute_loss_func is not None
        whole = whole if self.loss_is_scaled_for_ga is None else self.loss_is_scaled_for_ga  # as Trainer.training_step
        if whole and num_items_in_batch is not None:
            items = self._get_num_items_in_batch([inputs], self.args.device)
            share = float(items.clamp(min=1) / num_items_in_batch)
        active = self.method.at(self.state.epoch)
        precision = Precision(scaler=self.accelerator.scaler)  # no dtype: the model enters autocast itself
        return active.backward(model, inputs, precision, forward, share) * share
