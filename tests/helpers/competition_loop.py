"""A training loop as competition code has it, written by hand: a mean-pooled encoder, rates by layer, a cosine, AWP.

The rows of each batch are given: their order is drawn, so it is not part of the recipe.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer


class Regressor(torch.nn.Module):
    """The mean over the tokens, and a linear layer."""

    def __init__(self, folder, head):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, dtype=torch.float32)
        self.output = head

    def forward(self, batch):
        states = self.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        return self.output((states * mask).sum(1) / mask.sum(1))


def groups(model, rate, decay, weight_decay):
    """The head learns at the rate, each layer below it a bit slower; biases and norms do not decay."""
    many, found = model.encoder.config.num_hidden_layers, []
    for name, p in model.named_parameters():
        depth = many + 1
        if "embeddings." in name:
            depth = 0
        elif ".layer." in name:
            depth = int(name.split(".layer.")[1].split(".")[0]) + 1
        elif name.startswith("encoder."):
            depth = many
        no_decay = name.endswith("bias") or "LayerNorm" in name
        found.append(
            {"params": [p], "base": rate * decay ** (many + 1 - depth), "weight_decay": 0.0 if no_decay else weight_decay}
        )
    return found


def awp(model, loss_of, adv_lr, adv_eps):
    """The gradient at the worst weights of the box replaces the clean one."""
    loss_of().backward()
    saved = {}
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.grad is not None and "weight" in name and p.grad.norm() != 0:
                saved[name] = p.clone()
                room = adv_eps * p.abs()
                moved = p + adv_lr * p.grad / p.grad.norm() * p.norm()
                p.copy_(torch.min(torch.max(moved, saved[name] - room), saved[name] + room))
    model.zero_grad()
    loss_of().backward()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(saved.get(name, p))


def mcrmse(model, tokenizer, texts, targets, mean, std, max_length):
    """The mean over the targets of the root mean squared errors, text by text."""
    model.eval()
    found = []
    with torch.no_grad():
        for text in texts:
            batch = tokenizer([text], truncation=True, max_length=max_length, return_tensors="pt")
            found.append(model(batch)[0].numpy() * std + mean)
    model.train()
    return float(np.mean(np.sqrt(np.mean((np.array(found) - targets) ** 2, axis=0))))


def run(folder, head, train, validation, order, recipe, start_epoch):
    """The value of every evaluation.

    Args:
        folder: The encoder, in the hub's layout.
        head: A linear layer.
        train: Texts and targets (rows, targets).
        validation: The same.
        order: For each epoch, the rows of each step.
        recipe: What the recipe's file says, with AWP's step and box.
        start_epoch: The first epoch with AWP.
    """
    model, tokenizer = Regressor(folder, head), AutoTokenizer.from_pretrained(folder)
    texts, targets = train
    mean, std = targets.mean(0), targets.std(0)
    decaying = groups(model, recipe["learning_rate"], recipe["layer_decay"], recipe["weight_decay"])
    optimizer = torch.optim.AdamW(decaying, lr=recipe["learning_rate"])
    total, step, values = sum(map(len, order)), 0, []
    model.train()
    for epoch, batches in enumerate(order):
        for number, rows in enumerate(batches):
            texts_now = [texts[row] for row in rows]
            batch = tokenizer(texts_now, padding=True, truncation=True, max_length=recipe["max_length"], return_tensors="pt")
            wanted = torch.tensor((targets[rows] - mean) / std, dtype=torch.float32)

            def loss_of(batch=batch, wanted=wanted):
                return F.smooth_l1_loss(model(batch), wanted)

            if epoch >= start_epoch:
                awp(model, loss_of, recipe["adv_lr"], recipe["adv_eps"])
            else:
                loss_of().backward()
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * 0.5 * (1 + math.cos(math.pi * step / total))
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["max_grad_norm"])
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            if (number + 1) % (len(batches) // recipe["evals_per_epoch"]) == 0:
                values.append(mcrmse(model, tokenizer, *validation, mean, std, recipe["max_length"]))
    return values
