"""Plain PyTorch with GradScaler and gradient accumulation, where every row of an optimiser step counts the same."""

from itertools import islice

import torch
from tiny_setup import tiny_loader, tiny_model

from adv import FGM, Precision


def train(model, method, loader, optimizer, epochs=5, accumulate=2, dtype=None):
    """Train; the mean loss of each epoch. ``dtype`` is autocast's: None, torch.bfloat16 or torch.float16."""
    scaler = torch.amp.GradScaler(model.device.type, enabled=dtype == torch.float16)
    means = []
    method.follow(optimizer)
    for epoch in range(epochs):
        active = method.at(epoch)
        batches = ({name: value.to(model.device) for name, value in batch.items()} for batch in loader)
        losses = []
        while group := list(islice(batches, accumulate)):
            rows = sum(len(batch["labels"]) for batch in group)
            for _ in range(active.replays):  # 1 for all methods except FreeAT
                for batch in group:
                    share = len(batch["labels"]) / rows
                    losses.append(active.backward(model, batch, Precision(dtype=dtype, scaler=scaler), share=share))
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
                active.after_step(model)
        means.append(float(torch.stack(losses).mean()))
    return means


if __name__ == "__main__":
    model = tiny_model()
    print(train(model, FGM(epsilon=0.5, start_epoch=1), tiny_loader(), torch.optim.AdamW(model.parameters(), lr=5e-3)))
