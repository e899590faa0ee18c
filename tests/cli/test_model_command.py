"""Pretrained models through the commands: what does not fit is said or refused, and what is saved can be used by others."""

import json
from pathlib import Path

import pytest
import torch
from helpers.refusals import assert_said, refused, rows, studies
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2Model,
)

import search
from finetune.models.tiny import tiny_tokenizer

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
HERE = ("--train-file", "rows.csv", "--model", "m", "--threads", "1", "--no-calibrate")
SEARCH = (*HERE, "--method", "fgm", "--trials", "1", "--epochs", "1")
CHECK = ("check", "--method", "none", "--train-file", "rows.csv", "--model", "m", "--threads", "1")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """A working folder with a small data file, some texts long and some empty, and a BERT of 20 positions."""
    monkeypatch.chdir(tmp_path)
    lines = rows().splitlines()
    lines[1:4] = [f"{'the good film ' * 30},good", ",bad", ",good"]
    Path("rows.csv").write_text("\n".join(lines) + "\n")
    tokenizer = tiny_tokenizer(["the good bad film number"])
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=20, **SHAPE)).save_pretrained("m")
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    Path("m", "vocab.txt").write_text("\n".join(words) + "\n")
    Path("m", "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))


@pytest.mark.parametrize("command", [SEARCH, CHECK])
def test_texts_beyond_the_positions_are_cut_in_a_line(command, capsys):
    assert search.run(list(command)) == 0
    said = capsys.readouterr().out
    assert_said(said, "texts are cut at 20 tokens, the most that the model takes, not --max-length 128")
    assert_said(said, "model.safetensors has no pooler")


@pytest.mark.parametrize("command", [SEARCH, CHECK])
def test_empty_texts_of_a_tokeniser_without_tokens_of_its_own_are_read(command, capsys):
    tokenizer = tiny_tokenizer(["the good bad film number"])
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    tokenizer.pad_token, tokenizer.eos_token = None, "[SEP]"
    tokenizer.save_pretrained("g")
    GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=128)).save_pretrained("g")
    assert search.run([*command, "--model", "g"]) == 0
    assert_said(capsys.readouterr().out, "no padding token, so [SEP] pads", "texts without a token are read as [CLS]")


@pytest.mark.parametrize("command", [SEARCH, CHECK])
def test_an_encoder_without_its_words_leaves_no_study(command, capsys):
    weights = load_file("m/model.safetensors")
    kept = {name: value for name, value in weights.items() if "word_embeddings" not in name}
    save_file(kept, "m/model.safetensors", {"format": "pt"})
    said = refused(capsys, *command)
    assert_said(said, "--model ", "m: 1 of the encoder's", "bert.embeddings.word_embeddings.weight", "model.safetensors")
    assert not Path("studies.db").exists()


@pytest.mark.parametrize("command", [SEARCH, CHECK])
def test_a_tokeniser_that_the_embedding_does_not_hold_leaves_no_study(command, capsys):
    Path("m", "vocab.txt").write_text(Path("m", "vocab.txt").read_text() + "zebra\n")
    Path("rows.csv").write_text(Path("rows.csv").read_text() + "a zebra film,bad\n")
    said = refused(capsys, *command)
    assert_said(said, "m: its tokeniser has more tokens than its embedding: 'zebra' has number")
    assert not Path("studies.db").exists()


def test_a_changed_vocabulary_is_noticed_in_a_resumed_study(capsys):
    assert search.run([*SEARCH]) == 0
    vocabulary = Path("m", "vocab.txt")
    whole = vocabulary.read_text()
    vocabulary.write_text(whole.replace("good\nbad", "bad\ngood") if "good\nbad" in whole else whole.replace("film", "flim"))
    assert vocabulary.read_text() != whole
    assert_said(refused(capsys, *SEARCH[:-4], "--trials", "2", "--epochs", "1"), "model fingerprint")
    vocabulary.write_text(whole)
    assert search.run([*SEARCH[:-4], "--trials", "2", "--epochs", "1"]) == 0
    assert studies() == ["rows-fgm"]


def test_a_regression_model_that_was_trained_predicts_in_units_elsewhere(capsys):
    lines = [f"the {'good ' * (n % 7)}film,{3 + n % 7 / 10},{100 + n % 7}" for n in range(60)]
    Path("rows.csv").write_text("\n".join(["text,valence,arousal", *lines]) + "\n")
    arguments = [*SEARCH, "--label-column", "valence,arousal", "--method", "none", "--max-length", "12"]
    assert search.run(arguments) == 0
    assert search.run(["train", "runs/rows-none/best.yaml", "--out", "saved"]) == 0
    said = capsys.readouterr().out
    assert_said(said, ": the same", "model.safetensors has no pooler")
    assert "does NOT" not in said
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained("saved"), AutoTokenizer.from_pretrained("saved")
    with torch.no_grad():
        found = model(**tokenizer([line.split(",")[0] for line in lines], padding=True, return_tensors="pt")).logits
    assert found.mean(0).tolist() == pytest.approx([3.3, 103], rel=0.05)
    assert model.config.id2label == {0: "valence", 1: "arousal"}
    assert tokenizer.model_max_length == 12
