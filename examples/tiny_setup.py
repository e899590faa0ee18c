"""Model and data of the examples: a tiny BERT with random weights, and generated texts. Nothing is downloaded."""

import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification

WORDS, LENGTH = 60, 8


def tiny_model(dropout=0.1):
    """A classifier for two labels, with the same weights on every call."""
    torch.manual_seed(0)
    config = BertConfig(vocab_size=WORDS, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    model = BertForSequenceClassification(config).train()
    model.get_input_embeddings().weight.data *= 10  # as long as trained embeddings, so that epsilon means about the same
    return model


def tiny_rows(count=44):
    """Padded texts of 4 to 8 tokens; the first token decides the label."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, WORDS, (count, LENGTH), generator=generator)
    labels = torch.randint(2, (count,), generator=generator)
    ids[:, 0] = 4 + labels
    mask = torch.arange(LENGTH) < torch.randint(4, LENGTH + 1, (count, 1), generator=generator)
    columns = {"input_ids": ids * mask, "attention_mask": mask.long(), "labels": labels}
    return [{name: values[row] for name, values in columns.items()} for row in range(count)]


def tiny_loader(count=44, size=8):
    """Batches in a fixed order; the last is smaller."""
    return DataLoader(tiny_rows(count), batch_size=size)
