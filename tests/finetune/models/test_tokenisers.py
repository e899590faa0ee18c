"""Tokenisers from the files that checkpoints are published with."""

import io
import json

import pytest
import sentencepiece
from helpers.saved_families import folder_of
from helpers.small_tasks import reviews_task
from transformers import DebertaV2Config, DebertaV2Model

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pretrained import Models
from finetune.training.bench import Bench

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.fixture
def deberta(tmp_path):
    """A DeBERTa as its third version is published: spm.model, and no tokenizer.json."""
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(reviews_task().train.texts),
        model_writer=pieces,
        vocab_size=120,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        minloglevel=2,
    )
    folder = tmp_path / "deberta"
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    DebertaV2Model(DebertaV2Config(vocab_size=128, position_biased_input=False, **shape)).save_pretrained(folder)
    (folder / "spm.model").write_bytes(pieces.getvalue())
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
    return folder


def test_pieces_are_those_of_sentencepiece_itself(deberta):
    bench = Bench(reviews_task(), Recipe(model=str(deberta)))
    assert bench.notes == []
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(deberta / "spm.model"))
    for text in ["the film was good", "The FILM, was 12% good!", "\u00dcber 3 \u20ac", "", "  a  b ", "\u7535\u8f66"]:
        assert bench.models.tokenizer(text)["input_ids"] == [1, *pieces.encode(text), 2], text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("spm.model", b"junk", "spm.model is damaged: it is not a sentencepiece model"),
        ("spm.model", b"", r"tokeniser cannot be read: .*vocabulary is empty"),
        ("spm.model", POINTER, "spm.model is only a pointer of Git LFS"),
        ("tokenizer.json", POINTER, "tokenizer.json is only a pointer of Git LFS"),
        ("tokenizer.json", b"{}", "tokeniser cannot be read"),
        ("tokenizer_config.json", b"[", "tokeniser cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(deberta, name, content, said):
    (deberta / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        Models(Recipe(model=str(deberta)), reviews_task())
    assert "tiktoken" not in str(caught.value)


def test_a_package_that_is_missing_is_named(tmp_path):
    folder = folder_of(tmp_path / "m")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    facts = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="fugashi"):
        Models(Recipe(model=str(folder)), reviews_task())
