"""Tokenisers that are given words: what they make of them is what they make of a text."""

import pytest
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from finetune.models.by_word import fit_for_words

TEXTS = ["the hello a the world a hello the world wide a the hello world"] * 20


def trained(model, trainer, parts):
    made = Tokenizer(model)
    made.pre_tokenizer = parts
    made.train_from_iterator(TEXTS, trainer(special_tokens=["[UNK]", "[PAD]", "[CLS]", "[SEP]"], vocab_size=300))
    return made


def fast(made):
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]")


def bytes_apart():
    """ModernBERT's: pieces of bytes, the blank before a word in its first piece."""
    return fast(trained(models.BPE(), trainers.BpeTrainer, pre_tokenizers.ByteLevel(add_prefix_space=False)))


def bytes_inside():
    """The same after another step."""
    parts = [pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return fast(trained(models.BPE(), trainers.BpeTrainer, pre_tokenizers.Sequence(parts)))


def roberta():
    made = trained(models.BPE(), trainers.BpeTrainer, pre_tokenizers.ByteLevel(add_prefix_space=False))
    made.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), add_prefix_space=False)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names |= {"bos_token": "[CLS]", "eos_token": "[SEP]", "mask_token": "[UNK]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


def sentencepiece():
    """DeBERTa's: a mark at the beginning of each word."""
    trainer = lambda **settings: trainers.UnigramTrainer(unk_token="[UNK]", **settings)  # noqa: E731
    return fast(trained(models.Unigram(), trainer, pre_tokenizers.Metaspace(prepend_scheme="always")))


def pieces():
    """BERT's."""
    return fast(trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer, pre_tokenizers.BertPreTokenizer()))


@pytest.mark.parametrize("make", [bytes_apart, bytes_inside, roberta, sentencepiece, pieces])
def test_words_have_the_tokens_that_they_have_in_a_text(make, tmp_path):
    tokenizer = make()
    words = ["hello", "world", "wide", "the"]
    said = fit_for_words(tokenizer, "model")
    assert ("add_prefix_space" in said) == (make not in (sentencepiece, pieces))
    whole = tokenizer("x " + " ".join(words), add_special_tokens=False)["input_ids"]
    found = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
    assert found["input_ids"] == whole[-len(found["input_ids"]) :]
    assert [found.word_ids().index(n) for n in range(4)] == sorted(found.word_ids().index(n) for n in range(4))
    tokenizer.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert again(words, is_split_into_words=True, add_special_tokens=False)["input_ids"] == found["input_ids"]
    assert fit_for_words(again, "model") == ""


def test_words_that_are_cut_otherwise_are_said():
    """A blank belongs to the word before it, and the last word has none."""
    made = trained(models.BPE(), trainers.BpeTrainer, pre_tokenizers.Split(" ", "merged_with_previous"))
    assert fit_for_words(fast(made), "model").startswith(
        "warning: its tokeniser cuts words that are given one by one otherwise"
    )
