"""Masks of other models: True at padding, lengths, questions with choices, turned texts, windows."""

import pytest
import torch
import transformers
from helpers.own_models import LSTM
from helpers.padded_batch import ADDED, BATCH, IDS, LABELS, MASK, REAL, Attention, check, outside
from helpers.tiny_models import FAMILIES, batch_for, build
from helpers.watched_steps import gradients
from torch.nn import functional as F

from adv import METHODS


@pytest.mark.parametrize("padding", [0, None])
@pytest.mark.parametrize("name", ["padding_mask", "src_key_padding_mask", "pad_mask", "mask"])
def test_a_mask_that_is_true_at_padding_is_told_by_its_tokens_its_ends_or_its_name(padding, name):
    if padding is None and name == "mask":
        pytest.skip("nothing tells: true is taken for real, as in transformers")
    model = Attention(padding)
    whole = torch.cat([IDS, IDS[:1]]), torch.cat([REAL, REAL[:1]]), torch.cat([LABELS, LABELS[:1]])
    for rows in ([0, 1, 2, 3], [1, 2, 3], [0, 4]):  # with a text that fills its row, without, and with no padding at all
        ids, real, labels = (part[rows] for part in whole)
        batch = {"x": ids, name: ~real, "y": labels}
        check(model, batch, real, outside("x", name, "y"), model.embedding, emb_name="embedding")


def test_masks_that_are_added_or_made_on_the_way_or_stand_for_lengths():
    model = Attention(None)
    batch = {"x": IDS, "src_key_padding_mask": ADDED, "y": LABELS}
    check(model, batch, REAL, outside("x", "src_key_padding_mask", "y"), model.embedding, emb_name="embedding")
    forward = lambda model, batch: F.cross_entropy(model(batch[0], batch[0] == 0), batch[1])  # noqa: E731
    check(model, (IDS, LABELS), REAL, forward, model.embedding, emb_name="embedding")
    model = LSTM()
    check(model, (IDS, MASK.sum(1), LABELS), REAL, outside(0, 1, 2), model.embedding, emb_name="embedding")


@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet"])
def test_multiple_choice_reshapes_the_mask(family):
    prefix, shape = FAMILIES[family]
    config = getattr(transformers, f"{prefix}Config")(**shape | {"pad_token_id": 1})
    model = getattr(transformers, f"{prefix}ForMultipleChoice")(config).train()
    batch = batch_for(model)
    batch = {key: value.reshape(2, 2, 9) for key, value in batch.items() if key != "labels"}
    batch["labels"] = torch.tensor([0, 1])
    check(model, batch, REAL.T if family == "xlnet" else REAL)


@pytest.mark.parametrize("size", [4, 8])
def test_xlnets_input_mask_is_one_at_padding(size):
    model = build("xlnet")
    model.config.pad_token_id = 0
    batch = batch_for(model, "left", size=size)
    batch = {key: value[:, -8:] if value.dim() > 1 else value for key, value in batch.items()}
    mask = batch.pop("attention_mask")
    check(model, batch | {"input_mask": 1 - mask.float()}, mask.bool().T)


def test_longformer_pads_by_itself_and_its_global_mask_is_none_of_padding():
    shape = FAMILIES["bert"][1] | {"attention_window": 4, "pad_token_id": 1, "max_position_embeddings": 24, "num_labels": 3}
    model = transformers.LongformerForSequenceClassification(transformers.LongformerConfig(**shape)).train()
    batch = batch_for(model)
    real = F.pad(batch["attention_mask"], (0, 3)).bool()
    looks_everywhere = torch.zeros_like(batch["input_ids"])
    looks_everywhere[:, :2] = 1
    check(model, batch | {"global_attention_mask": looks_everywhere}, real)


def test_a_mask_may_leave_out_more_than_padding():
    """Here the first token of each text, with padding in the batch and without."""
    model = Attention(0)
    for ids, real in ((IDS, REAL), (IDS.masked_fill(~REAL, 7), torch.ones_like(REAL))):
        mask = real & (ids != 4)
        check(model, {"x": ids, "mask": mask, "y": LABELS}, mask, outside("x", "y"), model.embedding, emb_name="embedding")


@pytest.mark.parametrize("form", [tuple, list, lambda parts: dict(zip("abc", parts, strict=True))])
def test_a_mean_of_real_tokens_knows_the_mask_that_the_encoder_is_given(form):
    """CreAT's ``pool=mean``: the same gradients as with a batch that has the mask by its name."""

    def forward(model, batch):
        ids, mask, labels = batch.values() if isinstance(batch, dict) else batch
        return model(input_ids=ids, attention_mask=mask, labels=labels)

    model = build("bert")
    expected, _ = gradients(METHODS["creat"](pool="mean"), model, BATCH)
    found, _ = gradients(METHODS["creat"](pool="mean"), model, form([IDS, MASK, LABELS]), forward=forward)
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    ones = BATCH | {"attention_mask": torch.ones_like(MASK)}
    other, _ = gradients(METHODS["creat"](pool="mean"), model, ones)
    assert any(not torch.equal(other[key], value) for key, value in expected.items())
