"""Entities of tagged sentences, found by seqeval, and their scores.

What a sentence holds is found once and remembered: a bootstrap scores the same sentences hundreds of times.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.tasks.schemes import OUTSIDE, parted, scheme_of

Array = NDArray[Any]
# Type, first word, last word.
Span = tuple[str, int, int]
# Tags of words that are not there, up to the longest sentence.
NO_WORD = -1
# Sentences that are remembered: those of a large validation split, as they are and as one model tags them.
KEPT = 2**16


@lru_cache(maxsize=KEPT)
def spans(tags: tuple[int, ...], names: tuple[str, ...], strict: bool = False) -> frozenset[Span]:
    """The entities of a sentence.

    By default as conlleval counts them: an I- that does not continue an entity begins one. Strictly, an entity must be
    written as its scheme demands.

    Example:
        >>> names = ("O", "B-place", "I-place")
        >>> spans((0, 2, 2), names), spans((0, 2, 2), names, strict=True)
        (frozenset({('place', 1, 2)}), frozenset())
    """
    parts = parted(names)
    assert parts is not None
    if all(parts[tag][0] == OUTSIDE for tag in tags):
        return frozenset()
    written = ["-".join(part for part in parts[tag] if part) for tag in tags]
    from seqeval import scheme  # takes a second to import; a refusal need not wait
    from seqeval.metrics.sequence_labeling import get_entities

    if not strict:
        return frozenset((str(kind), first, last) for kind, first, last in get_entities(written))
    rules = getattr(scheme, scheme_of(names))
    found = scheme.Tokens(written, rules).entities
    return frozenset((one.tag, one.start, one.end - 1) for one in found)


def pairs(labels: Array, output: Array) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The tags and the predicted tags of each sentence, without the places after its last word."""
    lengths = (labels != NO_WORD).sum(1).tolist()
    for count, gold, found in zip(lengths, labels.tolist(), output.astype(np.int64).tolist(), strict=True):
        yield tuple(gold[:count]), tuple(found[:count])


def counts(labels: Array, output: Array, names: tuple[str, ...], strict: bool = False) -> tuple[int, int, int]:
    """How many entities are found and right, are found, and are there."""
    right = found = there = 0
    for gold, guess in pairs(labels, output):
        ours, theirs = spans(guess, names, strict), spans(gold, names, strict)
        right, found, there = right + len(ours & theirs), found + len(ours), there + len(theirs)
    return right, found, there


def rates(right: int, found: int, there: int) -> dict[str, float]:
    """Precision, recall and F1 of all entities together; 0 where nothing is found, or nothing is there."""
    both = found + there
    return {"precision": right / max(found, 1), "recall": right / max(there, 1), "f1": 2 * right / max(both, 1)}


def rate(labels: Array, output: Array, names: tuple[str, ...], name: str, strict: bool = False) -> float:
    """One of ``rates``, for tag numbers (sentences, words) and predicted ones."""
    return rates(*counts(labels, output, names, strict))[name]


def scores(names: tuple[str, ...]) -> dict[str, Any]:
    """Functions of labels and predictions, by metric."""
    return {
        "entity_f1": partial(rate, names=names, name="f1"),
        "entity_precision": partial(rate, names=names, name="precision"),
        "entity_recall": partial(rate, names=names, name="recall"),
        "entity_f1_strict": partial(rate, names=names, name="f1", strict=True),
    }


def by_type(labels: Array, output: Array, names: tuple[str, ...]) -> dict[str, float]:
    """The F1 of each type of entity that is there."""
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    for gold, guess in pairs(labels, output):
        ours, theirs = spans(guess, names), spans(gold, names)
        right.update(kind for kind, *_ in ours & theirs)
        found.update(kind for kind, *_ in ours)
        there.update(kind for kind, *_ in theirs)
    return {kind: rates(right[kind], found[kind], there[kind])["f1"] for kind in sorted(there)}


def accuracy(labels: Array, output: Array) -> float:
    """The share of words with the right tag."""
    words = labels != NO_WORD
    return float((labels == output)[words].mean()) if words.any() else 0.0
