"""Models that cannot be loaded: no study is begun with them."""

import json
import random
from pathlib import Path

import huggingface_hub
import pytest
import torch
from helpers.refusals import SMALL, assert_said, refused, rows
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification

import search
from finetune.models.tiny import tiny_tokenizer

ARGUMENTS = ("--train-file", "rows.csv", "--model", "bert", "--threads", "1", *SMALL)
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A working folder with a small data file, and a random one-layer BERT in the hub's layout."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows())
    tokenizer = tiny_tokenizer(["the good bad film number"])
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained("bert")
    tokenizer.save_pretrained("bert")


def edit(name, change):
    path = Path("bert", name)
    path.write_bytes(change(path.read_bytes()))


def configured(**values):
    return lambda content: json.dumps(json.loads(content) | values).encode()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (CONFIG, lambda content: b"{no json", ["config.json"]),
        (CONFIG, lambda content: b"[]", ["config.json", "cannot be read"]),
        (CONFIG, lambda content: b"{}", ["model_type"]),
        (CONFIG, configured(model_type="nonesuch"), ["cannot be loaded", "nonesuch"]),
        (CONFIG, configured(model_type="vit"), ["no SequenceClassification class for vit models", "take another model"]),
        (CONFIG, configured(hidden_size=20), ["encoder's", "have another size", "config.json and safetensors"]),
        (CONFIG, configured(num_attention_heads=3), ["cannot be loaded", "attention heads"]),
        (WEIGHTS, lambda content: content[:5000], ["cannot be loaded", "not fully covered"]),
        (WEIGHTS, lambda content: content[:-1], ["cannot be loaded", "not fully covered"]),
        (WEIGHTS, lambda content: content[:50], ["cannot be loaded"]),
        (WEIGHTS, lambda content: b"", ["cannot be loaded"]),
        (WEIGHTS, lambda content: random.Random(0).randbytes(3000), ["cannot be loaded"]),
        (TOKENIZER, lambda content: b"{", ["tokeniser cannot be read"]),
        (TOKENIZER, lambda content: b"", ["tokeniser cannot be read"]),
    ],
)
def test_a_damaged_file(name, change, words, capsys):
    edit(name, change)
    assert_said(refused(capsys, *ARGUMENTS), "--model bert", *words)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ([CONFIG], ["has no config.json", "hub's layout"]),
        ([WEIGHTS], ["has no *.safetensors"]),
        ([TOKENIZER, "tokenizer_config.json"], ["has no tokeniser", "tokenizer.json"]),
        ([CONFIG, WEIGHTS, TOKENIZER, "tokenizer_config.json"], ["has no config.json"]),
    ],
)
def test_a_missing_file(missing, words, capsys):
    for name in missing:
        Path("bert", name).unlink()
    assert_said(refused(capsys, *ARGUMENTS), "--model bert", *words)


def test_a_pickle_that_runs_code_is_refused_and_not_run(capsys):
    Path("bert", WEIGHTS).unlink()
    Path("bert", "pytorch_model.bin").write_bytes(b"cposix\nmkdir\n(Vharm\ntR.")
    assert_said(refused(capsys, *ARGUMENTS), "--model bert", "cannot be loaded")
    assert not Path("harm").exists()


def test_weights_of_another_model(capsys):
    save_file({"something.else": torch.ones(2)}, Path("bert", WEIGHTS), {"format": "pt"})
    assert_said(refused(capsys, *ARGUMENTS), "--model bert", "weights are missing", "belong together?")


def test_a_tokeniser_of_a_larger_model(capsys):
    tiny_tokenizer([f"the good bad film number {n}" for n in range(40)]).save_pretrained("bert")
    assert_said(refused(capsys, *ARGUMENTS), "--model ", "bert: its tokeniser has more tokens than its embedding")


@pytest.mark.parametrize("source", ["./none", "/none/such", "~/none", "a/b/c"])
def test_a_folder_that_is_not_there(source, capsys):
    assert_said(refused(capsys, *ARGUMENTS, "--model", source), f"--model {source}: there is no such folder")


@pytest.mark.parametrize("source", ["no_such_owner/no_such_model", "tinny", "rows.csv"])
def test_a_hub_id_without_network_is_answered_at_once(source, capsys, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    said = refused(capsys, *ARGUMENTS, "--model", source)
    assert_said(said, f"--model {source}", "there is no such folder, and it cannot be loaded from the hub")


def test_the_same_command_searches_once_the_model_is_whole_and_says_nothing_on_stderr(capfd):
    whole = Path("bert", WEIGHTS).read_bytes()
    edit(WEIGHTS, lambda content: content[:-1])
    refused(capfd, *ARGUMENTS)
    edit(WEIGHTS, lambda content: whole)
    assert search.run(list(ARGUMENTS)) == 0
    assert capfd.readouterr().err == ""
