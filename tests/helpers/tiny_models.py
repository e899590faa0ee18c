"""Tiny models of every family, and batches for them: built from their configs, nothing is downloaded."""

import torch
import transformers
from torch import nn
from torch.nn import functional as F

from helpers.made_once import made_once

VOCABULARY, LENGTH = 60, 9
BASE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
FAMILIES = {
    "bert": ("Bert", BASE),
    "roberta": ("Roberta", BASE | {"pad_token_id": 1, "max_position_embeddings": 16}),
    "deberta": (
        "DebertaV2",
        BASE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_position_embeddings": 16},
    ),
    "electra": ("Electra", BASE | {"embedding_size": 32}),
    "distilbert": ("DistilBert", {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}),
    "modernbert": ("ModernBert", BASE | {"pad_token_id": 0, "global_attn_every_n_layers": 1}),
    "albert": ("Albert", BASE | {"embedding_size": 16}),
    "xlnet": ("XLNet", {"vocab_size": VOCABULARY, "d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}),
    "gpt2": ("GPT2", {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 2, "pad_token_id": 0}),
}


@made_once
def build(family, dropout=0.1, head="ForSequenceClassification", **other):
    """A model in training mode, the same one every time; every dropout rate of its config is ``dropout``."""
    prefix, shape = FAMILIES[family]
    config = getattr(transformers, f"{prefix}Config")(**shape | {"num_labels": 3} | other)
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, int | float):
            setattr(config, name, dropout)
    torch.manual_seed(0)
    return getattr(transformers, prefix + head)(config).train()


def batch_for(model, side="right", size=4):
    """Texts of several lengths, padded on ``side``; every text starts with the same token, as with [CLS]."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, VOCABULARY, (size, LENGTH), generator=generator)
    ids[:, 0] = ids[:, -1] = 4
    mask = torch.arange(LENGTH) < torch.tensor([9, 7, 5, 8, 6, 9, 4, 7])[:size, None]
    mask = mask.flip(1) if side == "left" else mask
    pad = getattr(getattr(model, "config", None), "pad_token_id", None) or 0
    labels = torch.tensor([0, 1, 2, 1, 2, 0, 0, 1])[:size]
    return {"input_ids": ids.masked_fill(~mask, pad), "attention_mask": mask.long(), "labels": labels}


def grads_of(model):
    """A copy of ``p.grad`` of every parameter that has one, by name."""
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


class Bag(nn.Module):
    """``softmax(W mean(e) + b)``: the smallest text classifier; its gradients can be written down.

    The mean counts padding too, so that padding does have a gradient.
    """

    def __init__(self, vocabulary=VOCABULARY, hidden=4, labels=3, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, labels)

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids, labels, attention_mask=None):
        logits = self.output(self.dropout(self.embedding(input_ids)).mean(1))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    def slopes(self, embedded, labels):
        """By hand: the loss's gradients at the embedded text, at W and at b."""
        mean = embedded.mean(1)
        logits = mean @ self.output.weight.T + self.output.bias
        error = (logits.softmax(-1) - F.one_hot(labels, logits.shape[-1])) / len(labels)
        at_text = (error @ self.output.weight)[:, None].expand_as(embedded) / embedded.shape[1]
        return at_text, error.T @ mean, error.sum(0)


class Conditional(Bag):
    """One head serves odd passes, the other even ones: a parameter may have a gradient in one pass alone."""

    def __init__(self):
        super().__init__()
        self.other = nn.Linear(4, 3)
        self.calls = 0

    def forward(self, input_ids, labels, attention_mask=None):
        self.calls += 1
        head = self.output if self.calls % 2 else self.other
        logits = head(self.dropout(self.embedding(input_ids)).mean(1))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def trained_bag(dropout=0.0):
    """A Bag after a short training on its one batch, and that batch."""
    torch.manual_seed(0)
    model = Bag(hidden=8, dropout=dropout)
    batch = batch_for(model, size=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.zero_grad()
    return model, batch
