"""Sentences of words as tensors: the first token of each word has its label, and long sentences become several windows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.arguments import arg
from finetune.data.encode import NO_LABEL, Encoded
from finetune.data.places import Places
from finetune.errors import UserError
from finetune.tasks.entities import NO_WORD
from finetune.tasks.task import Rows, Task
from finetune.tasks.tokens import BETWEEN, usual_tag
from finetune.words import listed

# Windows overlap by this share of their tokens: a word inside a long sentence has an eighth of a window of context on each
# side at least, and sentences cost a third more.
OVERLAP = 4


def words_of(rows: Rows) -> list[list[str]]:
    """The words of each sentence."""
    return [text.split(BETWEEN) for text in rows.texts]


def overlap(tokenizer: Any, max_length: int) -> int:
    """Tokens that two neighbouring windows share."""
    return int(max(0, max_length - tokenizer.num_special_tokens_to_add()) // OVERLAP)


def encode_words(rows: Rows, tokenizer: Any, max_length: int, usual: int) -> Encoded:
    """Tokenise one split of sentences.

    A word's label stands at its first token. A word that is in several windows has it only where it has the most context,
    so that each word is trained and scored once. Windows without such a word are left out.

    Args:
        rows: Sentences; their labels are tag numbers (sentences, words), -1 after the last word.
        tokenizer: The model's tokeniser.
        max_length: The longest window in tokens.
        usual: The number of the tag that is predicted for a word without a token.

    Raises:
        UserError: No word has a token.
    """
    with from_the_left(tokenizer):
        encoded = tokenizer(
            words_of(rows),
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            stride=overlap(tokenizer, max_length),
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
    sentences = encoded.pop("overflow_to_sample_mapping").numpy().astype(np.int64)
    places = scored([encoded.word_ids(i) for i in range(len(sentences))], sentences, overlap(tokenizer, max_length))
    kept = np.flatnonzero((places >= 0).any(1))
    if not len(kept):
        raise UserError(f"{arg('text_column')}: the tokeniser finds no token in any word")
    sentences, places = sentences[kept], places[kept]
    inputs = {name: values[torch.from_numpy(kept)] for name, values in encoded.items()}
    lengths = inputs["attention_mask"].sum(1).numpy()
    labels = np.where(places >= 0, rows.labels[sentences[:, None], np.maximum(places, 0)], NO_LABEL).astype(np.int64)
    unread = np.where(rows.labels == NO_WORD, NO_WORD, usual).astype(np.float32)
    return Encoded(
        inputs, lengths, torch.from_numpy(labels), tokenizer.padding_side == "left", Places(sentences, places, unread)
    )


def told_of_words(task: Task, tokenizer: Any, max_length: int) -> list[str]:
    """Lines about sentences that are read in several windows, and about words without a token, in all splits."""
    lines, cut, more, empty = [], list[str](), 0, list[str]()
    for name, rows in task.parts.items():
        encoded = encode_words(rows, tokenizer, max_length, 0)
        assert encoded.places is not None
        tally = np.bincount(encoded.places.sentences)
        if several := int((tally > 1).sum()):
            cut.append(f"{several} {name}")
            more += int(tally[tally > 1].sum())
        without = int((rows.labels != NO_WORD).sum()) - int((encoded.places.words >= 0).sum())
        empty += [f"{without} {name}"] if without else []
    if cut:
        each = f"in windows of at most {max_length} tokens that share {overlap(tokenizer, max_length)}"
        what = f"{listed(cut)} {'sentence is' if cut[0].startswith('1 ') and len(cut) == 1 else 'sentences are'} longer"
        ways = f"every word counts once, where it has most context; a larger {arg('max_length')} keeps sentences whole"
        lines.append(f"{what} and read {each}, {more} in all; {ways}")
    if empty:
        what = f"{listed(empty)} {'word has' if empty == ['1 train'] else 'words have'} no token"
        lines.append(f"{what}: nothing is learned from them, and they are predicted as {task.names[usual_tag(task)]}")
    return lines


@contextmanager
def from_the_left(tokenizer: Any) -> Iterator[None]:
    """Windows in the order of the text."""
    side, tokenizer.truncation_side = tokenizer.truncation_side, "right"
    try:
        yield
    finally:
        tokenizer.truncation_side = side


def scored(words: Sequence[Sequence[int | None]], sentences: NDArray[np.int64], shared: int) -> NDArray[np.int64]:
    """For each token of each window the number of the word that it speaks for, or -1.

    Args:
        words: For each token of each window, the number of its word; None for special tokens and padding.
        sentences: The sentence of each window.
        shared: Tokens that two neighbouring windows share.
    """
    found = np.full((len(words), max(map(len, words))), NO_WORD, np.int64)
    begin = 0
    while begin < len(words):
        end = begin + 1
        while end < len(words) and sentences[end] == sentences[begin]:
            end += 1
        _best(words[begin:end], shared, found[begin:end])
        begin = end
    return found


def _best(windows: Sequence[Sequence[int | None]], shared: int, found: NDArray[np.int64]) -> None:
    """Mark each word of one sentence in the window where the nearer end of the text that is read is farthest away."""
    best: dict[int, tuple[float, int, int]] = {}
    firsts: dict[int, int] = {}
    start, last = 0, len(windows) - 1
    for number, words in enumerate(windows):
        inside = [(place, word) for place, word in enumerate(words) if word is not None]
        for step, (place, word) in enumerate(inside):
            # A window may begin inside a word: only the word's first token in the sentence speaks for it.
            if firsts.setdefault(word, start + step) != start + step:
                continue
            before = step if number else np.inf
            after = len(inside) - 1 - step if number < last else np.inf
            context = min(before, after)
            if word not in best or context > best[word][0]:
                best[word] = (context, number, place)
        start += len(inside) - shared
    for word, (_, number, place) in best.items():
        found[number, place] = word
