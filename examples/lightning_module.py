"""Lightning with manual optimisation, one device: a micro-batch counts 1/N, as with ``accumulate_grad_batches=N``."""

import torch
from pytorch_lightning import LightningModule, Trainer
from tiny_setup import tiny_loader, tiny_model

from adv import FGM, AttackError, Precision


class Adversarial(LightningModule):
    def __init__(self, model, method, optimizer, accumulate=2):
        super().__init__()
        self.automatic_optimization = False
        self.model, self.method, self.optimizer, self.accumulate = model, method, optimizer, accumulate

    def configure_optimizers(self):
        if self.method.replays > 1 or self.trainer.world_size > 1:
            raise AttackError("this module trains on a batch once (FreeAT wants it several times), on one device")
        self.method.follow(self.optimizer)
        return self.optimizer

    def training_step(self, batch, index):
        active = self.method.at(self.current_epoch)
        dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(self.trainer.precision)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        loss = active.backward(self.model, batch, Precision(dtype=dtype, scaler=scaler), share=1 / self.accumulate)
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        if (index + 1) % self.accumulate == 0 or self.trainer.is_last_batch:
            self.optimizers().step()  # with fp16 it unscales first; then it clips, by on_before_optimizer_step
            self.optimizers().zero_grad()
            active.after_step(self.model)

    def on_before_optimizer_step(self, optimizer):
        self.clip_gradients(optimizer, 1.0, "norm")


if __name__ == "__main__":
    model = tiny_model()
    module = Adversarial(model, FGM(epsilon=0.5, start_epoch=1), torch.optim.AdamW(model.parameters(), lr=5e-3))
    Trainer(max_epochs=5, logger=False, enable_checkpointing=False).fit(module, tiny_loader())
