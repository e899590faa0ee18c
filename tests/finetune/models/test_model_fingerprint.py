"""Fingerprints: every file that model and tokeniser are read from, and no other."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from helpers.saved_families import BIN, FAMILIES, SAFE, as_bin, built, configure, folder_of, words
from helpers.small_tasks import assert_same_state, reviews_task
from transformers import BertConfig, BertForMaskedLM

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pretrained import Models


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


@pytest.mark.parametrize("name", [SAFE, "config.json"])
def test_a_model_whose_files_change_under_a_run_is_refused(tmp_path, name):
    folder = folder_of(tmp_path / "m")
    models = Models(Recipe(model=str(folder)), reviews_task())
    models.build(0)
    models.build(1)
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match="its files have changed since this run began"):
        models.build(2)
