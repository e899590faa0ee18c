"""Models as people write them around an encoder, or without one: what a competition script or a notebook has."""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, BertPreTrainedModel, PreTrainedModel

from helpers.made_once import made_once
from helpers.tiny_models import batch_for, build

SHAPE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_dropout_prob": 0.1,
}


@made_once
def encoder(seed=0):
    torch.manual_seed(seed)
    return BertModel(BertConfig(**SHAPE))


class MeanPooled(nn.Module):
    """An encoder, the mean of its real tokens, and the criterion inside."""

    def __init__(self):
        super().__init__()
        self.backbone = encoder()
        self.head = nn.Linear(32, 3)

    def forward(self, input_ids, attention_mask, labels=None):
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None].float()
        logits = self.head((hidden * mask).sum(1) / mask.sum(1))
        return {"loss": None if labels is None else F.cross_entropy(logits, labels), "logits": logits}


class ManyDropouts(nn.Module):
    """A multi-sample dropout head, whose list stands before the encoder's layers; the labels' criterion is outside."""

    def __init__(self):
        super().__init__()
        self.dropouts = nn.ModuleList(nn.Dropout(0.1 * n) for n in range(1, 4))
        self.backbone = encoder()
        self.head = nn.Linear(32, 3)

    def forward(self, inputs):
        first = self.backbone(**inputs).last_hidden_state[:, 0]
        return torch.stack([self.head(dropout(first)) for dropout in self.dropouts]).mean(0)


class OwnPretrained(PreTrainedModel):
    """A ``PreTrainedModel`` of one's own; returns the loss first, as a tuple."""

    config_class = BertConfig

    def __init__(self, config):
        super().__init__(config)
        self.transformer = BertModel(config)
        self.out = nn.Linear(config.hidden_size, 3)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        logits = self.out(self.transformer(input_ids, attention_mask=attention_mask)[0][:, 0])
        return F.cross_entropy(logits, labels), logits


class Named(BertPreTrainedModel):
    """A ``BertPreTrainedModel``, whose base model is where its prefix says."""

    def __init__(self, config):
        super().__init__(config)
        self.bert = BertModel(config)
        self.out = nn.Linear(config.hidden_size, 3)
        self.post_init()

    forward = None  # below


def named_forward(self, input_ids, attention_mask=None, labels=None):
    logits = self.out(self.bert(input_ids, attention_mask=attention_mask)[1])
    return {"loss": F.cross_entropy(logits, labels), "logits": logits}


Named.forward = named_forward


class Pooled(nn.Module):
    def forward(self, output):
        return output.last_hidden_state[:, 0]


class Listed(nn.Module):
    """Parts one after the other, each in a module of its own, as sentence-transformers has them."""

    def __init__(self):
        super().__init__()
        first = nn.Module()
        first.auto_model = encoder()
        self.parts = nn.ModuleList([first, Pooled(), nn.Linear(32, 3)])

    def forward(self, features, labels):
        output = self.parts[0].auto_model(**features)
        logits = self.parts[2](self.parts[1](output))
        return F.cross_entropy(logits, labels), logits


class LSTM(nn.Module):
    """A recurrent net over ``nn.Embedding``; returns logits."""

    def __init__(self, padding=0):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(60, 16, padding_idx=padding)
        self.lstm = nn.LSTM(16, 16, batch_first=True)
        self.out = nn.Linear(16, 3)

    def forward(self, x, lengths=None):
        embedded = self.embedding(x)
        if lengths is not None:
            embedded = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        return self.out(self.lstm(embedded)[1][0][0])


class Siamese(nn.Module):
    """Two texts, each through an encoder: one for both, or one each."""

    def __init__(self, shared):
        super().__init__()
        self.left = encoder()
        self.right = self.left if shared else encoder(1)
        self.head = nn.Linear(64, 3)

    def forward(self, ids_a, mask_a, ids_b, mask_b, labels):
        one = self.left(ids_a, attention_mask=mask_a)[1]
        other = self.right(ids_b, attention_mask=mask_b)[1]
        logits = self.head(torch.cat([one, other], 1))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def text_batch():
    return batch_for(build("bert"))


def pair_batch():
    batch, other = text_batch(), batch_for(build("bert"), "left")
    pair = {"ids_a": batch["input_ids"], "mask_a": batch["attention_mask"]}
    return pair | {"ids_b": other["input_ids"], "mask_b": other["attention_mask"], "labels": batch["labels"]}


def of_dict(model, batch):
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits = model(inputs)
    return {"loss": F.cross_entropy(logits, batch["labels"]), "logits": logits}


def of_features(model, batch):
    return model({name: value for name, value in batch.items() if name != "labels"}, batch["labels"])


def of_tuple(model, batch):
    ids, lengths, labels = batch
    logits = model(ids, lengths)
    return F.cross_entropy(logits, labels), logits


def own(name):
    """A model, a batch and what else ``backward`` takes."""
    batch = text_batch()
    torch.manual_seed(0)
    if name == "mean pooling":
        return MeanPooled(), batch, {}
    if name == "many dropouts":
        return ManyDropouts(), batch, {"forward": of_dict}
    if name == "own PreTrainedModel":
        return OwnPretrained(BertConfig(**SHAPE)), batch, {}
    if name == "own BertPreTrainedModel":
        return Named(BertConfig(**SHAPE)), batch, {}
    if name == "listed":
        return Listed(), batch, {"forward": of_features}
    if name == "data parallel":
        return nn.DataParallel(torch.compile(MeanPooled(), backend="eager")), batch, {}
    assert name == "compiled inside"
    model = MeanPooled()
    model.backbone = torch.compile(model.backbone, backend="eager")
    return model, batch, {}


OWN = [
    "mean pooling",
    "many dropouts",
    "own PreTrainedModel",
    "own BertPreTrainedModel",
    "listed",
    "data parallel",
    "compiled inside",
]


def outputs_of(module, run):
    """The module's outputs while ``run`` runs, as they are behind the hooks that are added meanwhile."""
    seen = []

    def begin(module, args):
        def end(module, args, output):
            handle.remove()
            seen.append(output.detach())

        handle = module.register_forward_hook(end)

    outer = module.register_forward_pre_hook(begin)
    run()
    outer.remove()
    return seen
