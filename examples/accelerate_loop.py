"""Accelerate with ``accelerator.accumulate``, one process. Every micro-batch counts 1/N, as in ``accelerator.backward``."""

import torch
from accelerate import Accelerator
from tiny_setup import tiny_loader, tiny_model

from adv import FGM, AttackError, Precision


def train(model, method, loader, optimizer, accelerator, epochs=5):
    """Train; the mean loss of each epoch."""
    if method.replays > 1 or accelerator.num_processes > 1:
        raise AttackError("this loop gives each batch once, in one process: FreeAT needs it several times")
    method.follow(optimizer)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    # Without dtype: a prepared model enters autocast by itself, in every pass.
    precision, share = Precision(scaler=accelerator.scaler), 1 / accelerator.gradient_accumulation_steps
    means = []
    for epoch in range(epochs):
        active = method.at(epoch)
        losses = []
        for batch in loader:
            with accelerator.accumulate(model):
                losses.append(active.backward(model, batch, precision, share=share))
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                if accelerator.sync_gradients:
                    active.after_step(model)
        means.append(float(torch.stack(losses).mean()))
    return means


if __name__ == "__main__":
    model, accelerator = tiny_model(), Accelerator(gradient_accumulation_steps=2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    print(train(model, FGM(epsilon=0.5, start_epoch=1), tiny_loader(), optimizer, accelerator))
