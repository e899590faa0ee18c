"""Weights: what a folder's files fill, what they do not, and what is never run."""

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from families import FAMILIES, folder_of, words
from safetensors.torch import load_file, save_file
from small import assert_same_state, numbers_task, reviews_task
from transformers import AutoModel, BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.model import Models

SAFE, BIN = "model.safetensors", "pytorch_model.bin"


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def built(folder, task=None):
    """The model of a folder, and what was said of it, without the folder's name."""
    models = Models(Recipe(model=str(folder)), task or reviews_task())
    model = models.build(0)
    return model, [line.removeprefix(f"model {folder}: ") for line in models.notes]


def edit(folder, change):
    """Change the tensors of a folder in one file of safetensors."""
    save_file(change(load_file(folder / SAFE)), folder / SAFE, {"format": "pt"})
    return folder


def as_bin(folder, tensors=None):
    """The same weights as pickled tensors."""
    torch.save(load_file(folder / SAFE) if tensors is None else tensors, folder / BIN)
    (folder / SAFE).unlink()
    return folder


def configure(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("head", ["Model", "ForMaskedLM", "ForSequenceClassification"])
@pytest.mark.parametrize(
    "gone",
    [
        "embeddings.word_embeddings.weight",
        "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "encoder.layer.1.attention.self.query.bias",
        "encoder.layer.0.output.LayerNorm.weight",
        "encoder.layer.1.",
    ],
)
def test_an_encoder_weight_that_is_missing_is_named(tmp_path, head, gone):
    folder = edit(
        folder_of(tmp_path / "m", head=head, num_hidden_layers=2),
        lambda tensors: {name: value for name, value in tensors.items() if gone not in name},
    )
    with pytest.raises(UserError) as caught:
        built(folder)
    said = str(caught.value)
    assert f"--model {folder}: " in said
    assert "of the encoder's" in said
    assert "weights are missing" in said
    assert gone in said
    number = 16 if gone.endswith("1.") else 1
    assert f": {number} of the encoder's" in said


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_encoder_of_any_family_is_read_and_one_without_words_is_refused(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    model, lines = built(folder)
    assert lines == []
    saved = AutoModel.from_pretrained(folder)
    base = getattr(model, model.base_model_prefix)
    read = dict(base.named_parameters())
    assert_same_state(read, {name: value for name, value in saved.named_parameters() if name in read})
    table = base.get_input_embeddings().weight
    tensors = load_file(folder / SAFE)
    same = [name for name, value in tensors.items() if value.shape == table.shape and torch.equal(value, table)]
    save_file({name: value for name, value in tensors.items() if name not in same}, folder / SAFE, {"format": "pt"})
    with pytest.raises(UserError, match="weights are missing"):
        built(folder)


def test_a_pooler_that_is_missing_is_said_and_drawn_from_the_seed(tmp_path):
    folder = folder_of(tmp_path / "m", head="ForMaskedLM")
    model, lines = built(folder)
    assert lines == ["its pooler is not in model.safetensors: it is drawn at random, as a new head is"]
    assert torch.equal(built(folder)[0].bert.pooler.dense.weight, model.bert.pooler.dense.weight)


def test_heads_and_buffers_of_pretraining_are_no_loss(tmp_path):
    folder = folder_of(tmp_path / "m", head="ForPreTraining")
    edit(folder, lambda tensors: tensors | {"bert.embeddings.position_ids": torch.arange(512)[None]})
    assert built(folder)[1] == []


def test_weights_under_old_names_are_found(tmp_path):
    folder = edit(
        folder_of(tmp_path / "m", head="ForPreTraining"),
        lambda tensors: {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
            for name, value in tensors.items()
        },
    )
    assert built(folder)[1] == []


@pytest.mark.parametrize("head", ["Model", "ForMaskedLM"])
def test_layers_that_the_configuration_leaves_out_are_named(tmp_path, head):
    folder = folder_of(tmp_path / "m", head=head, num_hidden_layers=3)
    configure(folder, num_hidden_layers=2)
    said = "; ".join(built(folder)[1])
    assert "16 weights of model.safetensors have no place in the model of config.json" in said
    assert "encoder.layer.2." in said


def test_a_layer_that_the_configuration_adds_is_refused(tmp_path):
    folder = folder_of(tmp_path / "m", num_hidden_layers=2)
    configure(folder, num_hidden_layers=3)
    with pytest.raises(UserError, match=r"16 of the encoder's \d+ weights are missing: bert.encoder.layer.2"):
        built(folder)


@pytest.mark.parametrize(("there", "here"), [("Bert", "roberta"), ("Bert", "distilbert"), ("Electra", "bert")])
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, there, here):
    folder = folder_of(tmp_path / "m", there, "ForMaskedLM")
    configure(folder, model_type=here, dim=16, n_heads=2, hidden_dim=16, n_layers=1)
    with pytest.raises(UserError, match=r"weights (are missing|have another size)"):
        built(folder)


def test_heads_are_told_apart(tmp_path):
    names = {0: "positive", 1: "negative"}
    folder = folder_of(tmp_path / "m", head="ForSequenceClassification", id2label=names)
    model, lines = built(folder)
    assert lines == [
        "the head in model.safetensors has 2 outputs, as the data, and is taken over, "
        "though it has them in another order: positive, negative"
    ]
    assert torch.equal(model.classifier.weight, load_file(folder / SAFE)["classifier.weight"])
    configure(folder, id2label={0: "negative", 1: "positive"})
    assert built(folder)[1] == ["the head in model.safetensors has 2 outputs, as the data, and is taken over"]
    model, lines = built(folder, numbers_task(1))
    assert lines == ["the head in model.safetensors has 2 outputs, the data 1: a new one is drawn"]
    assert model.classifier.weight.shape == (1, 16)


@pytest.mark.parametrize("shards", [False, True])
def test_pickled_tensors_give_the_same_model_as_safetensors(tmp_path, shards):
    folder = folder_of(tmp_path / "m")
    expected = built(folder)[0].state_dict()
    tensors = load_file(folder / SAFE)
    as_bin(folder)
    if shards:
        (folder / BIN).unlink()
        halves = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(tensors)}
        for file in set(halves.values()):
            torch.save({name: tensors[name] for name in tensors if halves[name] == file}, folder / file)
        (folder / f"{BIN}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": halves}))
    assert_same_state(built(folder)[0].state_dict(), expected)
    if shards:
        (folder / "pytorch_model-00002-of-00002.bin").unlink()
        with pytest.raises(UserError, match=r"pytorch_model-00002-of-00002\.bin is missing, one of the 2 shards"):
            built(folder)


def test_missing_weights_of_pickled_tensors_are_named_too(tmp_path):
    folder = folder_of(tmp_path / "m")
    tensors = load_file(folder / SAFE)
    as_bin(folder, {name: value for name, value in tensors.items() if "word_embeddings" not in name})
    with pytest.raises(UserError, match=r"weights are missing: bert.embeddings.word.*config.json and pytorch_model.bin"):
        built(folder)


@pytest.mark.parametrize("kind", ["pickle", "archive", "shard", "beside tensors"])
@pytest.mark.parametrize("forced", [False, True])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, monkeypatch, recwarn, kind, forced):
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    folder, marker = folder_of(tmp_path / "m"), tmp_path / "marker"
    tensors = load_file(folder / SAFE)
    as_bin(folder)
    if kind == "pickle":
        (folder / BIN).write_bytes(pickle.dumps(Harm(marker)))
    elif kind == "archive":
        torch.save(Harm(marker), folder / BIN)
    elif kind == "beside tensors":
        torch.save(tensors | {"more": Harm(marker)}, folder / BIN)
    else:
        (folder / BIN).unlink()
        torch.save({"more": Harm(marker)}, folder / "shard.bin")
        torch.save(tensors, folder / "whole.bin")
        index = {name: "whole.bin" for name in tensors} | {"more": "shard.bin"}
        (folder / f"{BIN}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    with pytest.raises(UserError, match="hold more than tensors, and nothing else is unpickled"):
        built(folder)
    assert not marker.exists()
    assert not recwarn.list
    pickle.loads(pickle.dumps(Harm(marker)))
    assert marker.exists()


def test_safetensors_win_and_pickles_beside_them_are_not_touched(tmp_path):
    folder = folder_of(tmp_path / "m")
    (folder / BIN).write_bytes(pickle.dumps(Harm(tmp_path / "marker")))
    built(folder)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x02N.", b"PK\x03\x04"])
def test_damaged_pickles_are_refused(tmp_path, content):
    folder = as_bin(folder_of(tmp_path / "m"))
    (folder / BIN).write_bytes(content)
    with pytest.raises(UserError, match=f"--model {folder} cannot be loaded"):
        built(folder)


def test_files_that_are_not_there_are_named(tmp_path):
    folder = folder_of(tmp_path / "m")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    whole = (folder / SAFE).read_bytes()
    (folder / SAFE).write_bytes(pointer)
    with pytest.raises(UserError, match=r"model\.safetensors is only a pointer of Git LFS"):
        built(folder)
    (folder / SAFE).rename(folder / "adapter.safetensors")
    with pytest.raises(UserError, match=r"no \*\.safetensors or \*\.bin weights.*there is adapter\.safetensors"):
        built(folder)
    (folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(UserError, match=r"model\.safetensors\.index\.json cannot be read"):
        built(folder)
    (folder / SAFE).write_bytes(whole)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="is an adapter; merge it"):
        built(folder)


def test_a_shard_that_is_missing_is_named(tmp_path):
    folder = folder_of(tmp_path / "m")
    BertModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="5KB")
    (folder / SAFE).unlink()
    built(folder)
    first = sorted(folder.glob("model-*.safetensors"))[0]
    first.unlink()
    with pytest.raises(UserError, match=f"{first.name} is missing, one of the"):
        built(folder)


def fingerprint(folder):
    return Models(Recipe(model=str(folder)), reviews_task()).fingerprint


def vocabulary(folder):
    """A folder whose tokeniser is one file of words, as older checkpoints have it."""
    tokenizer = words()
    config = BertConfig(vocab_size=len(tokenizer), **FAMILIES["Bert"])
    BertForMaskedLM(config).save_pretrained(folder)
    lines = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "vocab.txt",
        "tokenizer_config.json",
        "config.json",
        SAFE,
        "added_tokens.json",
        "special_tokens_map.json",
        "merges.txt",
        "spm.model",
        "bpe.codes",
        "tokenizer.4.0.0.json",
    ],
)
def test_fingerprint_follows_every_file_that_is_read(tmp_path, name):
    folder = vocabulary(tmp_path / "m")
    before = fingerprint(folder)
    assert fingerprint(shutil.copytree(folder, tmp_path / "copy")) == before
    path = folder / name
    old = path.read_bytes() if path.exists() else b"{}"
    path.write_bytes(old[:-1] + b" " + old[-1:])
    models = Models(Recipe(model=str(tmp_path / "copy")), reviews_task())
    models.folder = folder
    assert models.fingerprint != before


def test_fingerprint_forgets_what_is_not_read(tmp_path):
    folder = vocabulary(tmp_path / "m")
    before = fingerprint(folder)
    (folder / "README.md").write_text("words")
    (folder / "training_args.bin").write_bytes(b"0")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"0")
    (folder / BIN).write_bytes(b"safetensors win")
    assert fingerprint(folder) == before
    as_bin(folder)
    assert fingerprint(folder) != before


def test_a_study_that_kept_the_older_fingerprint_knows_its_model_again(tmp_path):
    folder = vocabulary(tmp_path / "m")
    total = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    old, models = total.hexdigest()[:16], Models(Recipe(model=str(folder)), reviews_task())
    assert models.fingerprint_like(old) == old
    for stored in (None, "0" * 16, models.fingerprint):
        assert models.fingerprint_like(stored) == models.fingerprint != old
    configure(folder, note="changed")
    assert models.fingerprint_like(old) != old


@pytest.mark.parametrize("pickled", [False, True])
def test_a_hub_id_is_read_from_the_cache_and_known_by_its_commit(tmp_path, monkeypatch, pickled):
    commit = "0123456789abcdef0123456789abcdef01234567"
    root = tmp_path / "hub" / "models--owner--name"
    folder = folder_of(root / "snapshots" / commit)
    expected = built(folder)[0].state_dict()
    if pickled:
        as_bin(folder)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    models = Models(Recipe(model="owner/name"), reviews_task())
    assert_same_state(models.build(0).state_dict(), expected)
    assert models.fingerprint == models.fingerprint_like(commit[:16]) == commit[:16]
    assert models.fingerprint_like("None") == "None"  # what studies kept before
    (root / "refs" / "main").write_text("f" * 40)  # the hub moves on: what was begun does not
    assert_same_state(models.build(0).state_dict(), expected)
    weights = next(Path(folder).glob("*model.*[sn]"))
    assert weights.name == (BIN if pickled else SAFE)


def test_the_model_that_was_looked_at_is_the_one_that_is_trained(tmp_path):
    models = Models(Recipe(model=str(folder_of(tmp_path / "m"))), reviews_task())
    plain = models.build(3)
    state = torch.get_rng_state()
    looked = models.look_at(3)
    torch.manual_seed(99)
    again = models.build(3)
    assert again is looked
    assert torch.equal(torch.get_rng_state(), state)
    assert_same_state(again.state_dict(), plain.state_dict())
    assert models.build(3) is not looked
    models.look_at(3)
    assert isinstance(models.build(4), BertForSequenceClassification)
    assert_same_state(models.build(3).state_dict(), plain.state_dict())
