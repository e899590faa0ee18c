"""Sentences with tags: names and places that a small model learns in a few epochs."""

from functools import cache

import numpy as np

from finetune.tasks.entities import NO_WORD
from finetune.tasks.task import Rows, Task

TAGS = ("O", "B-person", "I-person", "B-place", "I-place")
# First and second words of names.
PEOPLE, PLACES = (("ada", "bob", "eve"), ("smith", "jones")), (("rome", "york", "oslo"), ("city", "beach"))


def sentences(count, seed=0):
    """Words and tags of made-up sentences: "yesterday met ada smith in rome ."."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        words, tags = ["yesterday"], ["O"]
        for kind, (first, second) in pick(rng):
            more = [str(rng.choice(second))] * int(rng.integers(0, 2))
            words += ["met" if kind == "person" else "in", str(rng.choice(first)), *more]
            tags += ["O", f"B-{kind}", *[f"I-{kind}"] * len(more)]
        found.append(([*words, "."], [*tags, "O"]))
    return found


def pick(rng):
    """One to three kinds of names."""
    kinds = [("person", PEOPLE), ("place", PLACES)]
    return [kinds[i] for i in rng.integers(0, 2, int(rng.integers(1, 4)))]


def rows_of(pairs, names=TAGS):
    """Rows of a task."""
    labels = np.full((len(pairs), max(len(words) for words, _ in pairs)), NO_WORD, np.int16)
    for row, (_, tags) in enumerate(pairs):
        labels[row, : len(tags)] = [names.index(tag) for tag in tags]
    return Rows([" ".join(words) for words, _ in pairs], None, labels)


@cache
def tokens_task(train=48, other=24):
    """A task with few sentences."""
    parts = [rows_of(sentences(count, seed)) for seed, count in enumerate((train, other, other))]
    return Task("names", "tokens", TAGS, *parts)


def conll(pairs, between="\t"):
    """A file's text."""
    return "".join("".join(f"{w}{between}{t}\n" for w, t in zip(*pair, strict=True)) + "\n" for pair in pairs)
