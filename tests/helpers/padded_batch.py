"""A batch with padding, and whether a method perturbs its real tokens alone."""

import torch
from torch import nn
from torch.nn import functional as F

from adv import FGM, FreeLB, NEFTune
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import shifts_of

BATCH = batch_for(build("bert"))


IDS, MASK, LABELS = BATCH["input_ids"], BATCH["attention_mask"], BATCH["labels"]


REAL = MASK.bool()


ADDED = torch.zeros(4, 9).masked_fill(~REAL, torch.finfo(torch.float32).min)


def check(model, batch, real, forward=None, embedding=None, **settings):
    """Real tokens are perturbed, padding is not: for a clean-pass method, and for one that starts from noise."""
    embedding = embedding or model.get_input_embeddings()
    options = {} if forward is None else {"forward": forward}
    for method in (FGM(norm="token", **settings), FreeLB(**settings), NEFTune(**settings)):
        with shifts_of(embedding) as seen:
            method.backward(model, batch, **options)
        _, last = seen[-1]
        assert last[real].abs().sum(-1).min() > 0
        assert not any(shift[~real].any() for _, shift in seen)


class Attention(nn.Module):
    """torch's own encoder, whose key padding mask is True at padding."""

    def __init__(self, padding=0):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(60, 16, padding_idx=padding)
        layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(16, 3)

    def forward(self, src, src_key_padding_mask=None):
        return self.out(self.encoder(self.embedding(src), src_key_padding_mask=src_key_padding_mask).mean(1))


def outside(*keys):
    """The loss by a criterion outside, of these parts of the batch; the last are the labels."""
    return lambda model, batch: F.cross_entropy(model(*(batch[key] for key in keys[:-1])), batch[keys[-1]])
