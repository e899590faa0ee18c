"""Lightning with manual optimisation, one device: a micro-batch counts 1/N, as with ``accumulate_grad_batches=N``."""

import torch
from pytorch_lightning import LightningModule, Trainer
from tiny_setup import tiny_loader, tiny_model

from adv import FGM
from adv.lightning import AdversarialModule


class Adversarial(AdversarialModule, LightningModule):
    def __init__(self, model, method, optimizer, accumulate=2):
        super().__init__()
        self.model, self.method, self.optimizer, self.accumulate = model, method, optimizer, accumulate

    def configure_optimizers(self):
        return self.optimizer

    def training_step(self, batch, index):
        loss = super().training_step(batch, index)
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True)

    def on_before_optimizer_step(self, optimizer):
        self.clip_gradients(optimizer, 1.0, "norm")


if __name__ == "__main__":
    model = tiny_model()
    module = Adversarial(model, FGM(epsilon=0.5, start_epoch=1), torch.optim.AdamW(model.parameters(), lr=5e-3))
    Trainer(max_epochs=5, logger=False, enable_checkpointing=False).fit(module, tiny_loader())
