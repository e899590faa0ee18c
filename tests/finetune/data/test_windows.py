"""Sentences as windows: labels at first tokens, each word once, where it has most context; predictions back in place."""

import numpy as np
import pytest
import torch
from helpers.tagged_sentences import tokens_task
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from finetune.data.windows import NO_LABEL, encode_words, overlap, scored, told_of_words
from finetune.errors import UserError
from finetune.tasks.task import Rows
from finetune.tasks.tokens import KIND

LETTERS = "abcdefghij"


def tokenizer(side="right", truncation="right"):
    """A token for each letter; a word of marks alone has none."""
    vocabulary = {token: n for n, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Replace("-", "")
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, padding_side=side, truncation_side=truncation, **names)


def rows_of(*sentences):
    labels = np.full((len(sentences), max(map(len, sentences))), -1, np.int16)
    for row, words in enumerate(sentences):
        labels[row, : len(words)] = np.arange(len(words)) % 5
    return Rows([" ".join(words) for words in sentences], None, labels)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_first_token_of_each_word_has_its_label(side):
    encoded = encode_words(rows_of(["ab", "c", "-", "def"], ["j"]), tokenizer(side), 32, 0)
    ours, padding = [NO_LABEL, 0, NO_LABEL, 1, 3, NO_LABEL, NO_LABEL, NO_LABEL], [NO_LABEL] * 5
    other = [NO_LABEL, 0, NO_LABEL]
    assert encoded.labels.tolist() == [ours, other + padding if side == "right" else padding + other]
    assert encoded.lengths.tolist() == [8, 3]
    assert encoded.left == (side == "left")
    assert encoded.counted(np.array([0, 1])) == 4
    assert encoded.batch(np.array([1]), torch.device("cpu"))["labels"].tolist() == [other]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("truncation", ["right", "left"])
@settings(max_examples=25, deadline=None)
@given(
    words=st.lists(st.lists(st.text("abc-", min_size=1, max_size=6), min_size=1, max_size=30), min_size=1, max_size=3),
    length=st.integers(4, 12),
)
def test_every_word_counts_once_where_it_has_most_context(side, truncation, words, length):
    rows, tok = rows_of(*words, ["a"]), tokenizer(side, truncation)
    encoded = encode_words(rows, tok, length, 7)
    places = encoded.places
    assert tok.truncation_side == truncation
    assert encoded.lengths.max() <= length
    seen = {}
    for window, token in np.argwhere(places.words >= 0):
        sentence, word = int(places.sentences[window]), int(places.words[window, token])
        assert (sentence, word) not in seen
        seen[sentence, word] = int(encoded.inputs["input_ids"][window, token])
        assert encoded.labels[window, token] == rows.labels[sentence, word]
    letters = {(n, m): word.replace("-", "") for n, text in enumerate(rows.texts) for m, word in enumerate(text.split(" "))}
    assert seen == {key: 4 + LETTERS.index(word[0]) for key, word in letters.items() if word}
    assert (encoded.labels[places.words < 0] == NO_LABEL).all()
    # Predictions come back to their words: what the "model" says is the letter.
    output = places.unread.copy()
    for index in (np.array([n]) for n in range(len(encoded))):
        cut = encoded.cut(index)
        here = encoded.inputs["input_ids"][torch.from_numpy(index)][:, cut]
        places.put(output, index, cut, torch.nn.functional.one_hot(here, 14).float().numpy())
    for (sentence, word), letter in letters.items():
        assert output[sentence, word] == (4 + LETTERS.index(letter[0]) if letter else 7)
    assert (output[rows.labels == -1] == -1).all()


def test_the_window_with_most_context_is_taken_by_hand():
    """Ten one-letter words in windows of six tokens that share two: 0-5, 4-9."""
    windows = [[None, 0, 1, 2, 3, 4, 5, None], [None, 4, 5, 6, 7, 8, 9, None]]
    found = scored(windows, np.array([0, 0]), 2)
    # Word 4 has one token behind it in the first window and none before it in the second; word 5 the other way round.
    assert found.tolist() == [[-1, 0, 1, 2, 3, 4, -1, -1], [-1, -1, 5, 6, 7, 8, 9, -1]]
    inside = [[0, 0, 1, 1], [1, 1, 1, 2]]  # the second window begins inside word 1, whose first token is not in it
    assert scored(inside, np.array([3, 3]), 1).tolist() == [[0, -1, 1, -1], [-1, -1, -1, 2]]


def test_windows_without_a_word_to_score_are_left_out():
    encoded = encode_words(rows_of(["a" * 40, "b"], ["c"]), tokenizer(), 8, 0)
    assert sorted(map(tuple, np.argwhere(encoded.places.words >= 0))) == [(0, 1), (1, encoded.lengths[1] - 2), (2, 1)]
    assert encoded.places.sentences.tolist() == [0, 0, 1]


def test_logits_that_are_not_finite_stay_visible():
    encoded = encode_words(rows_of(["a", "b"]), tokenizer(), 8, 0)
    output, logits = encoded.places.unread.copy(), np.zeros((1, 4, 3), np.float32)
    logits[0, 2, 1] = np.inf
    encoded.places.put(output, np.array([0]), slice(4), logits)
    assert np.isnan(output).tolist() == [[False, True]]


def test_raw_outputs_of_words_that_are_not_read_not_finite_or_not_there():
    encoded = encode_words(rows_of(["a", "-", "b"], ["c"]), tokenizer(), 8, 1)
    raw, logits = encoded.places.unread_raw(3), np.full((1, 4, 3), 0.5, np.float32)
    logits[0, 2, 1] = np.nan
    encoded.places.put_raw(raw, np.array([0]), slice(4), logits)
    assert raw[0].tolist() == [[0.5] * 3, [0, 1, 0], [np.inf] * 3]
    assert np.isnan(raw[1, 1:]).all()
    assert np.isnan(KIND.decided(raw)).tolist() == [[False, False, True], [False, False, False]]
    assert KIND.decided(raw)[:, 1].tolist() == [1, -1]


def test_words_without_tokens_alone_are_refused():
    with pytest.raises(UserError, match="finds no token in any word"):
        encode_words(rows_of(["-", "--"]), tokenizer(), 8, 0)


def test_long_sentences_and_words_without_tokens_are_said():
    task, tok = tokens_task(), tokenizer()
    assert overlap(tok, 14) == 3
    (line,) = told_of_words(task, tok, 14)
    assert line.startswith(
        "48 train, 24 validation and 24 test sentences are longer and read in windows of at most 14 tokens"
    )
    assert told_of_words(task, tok, 10**4) == []
