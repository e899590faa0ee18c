"""Kinds of task that the project does not have. Nothing but the kind says what is different."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from helpers.saved_families import folder_of

from adv import FGM
from finetune.config import Recipe
from finetune.data.parts import split
from finetune.models.tiny import tiny_tokenizer
from finetune.tasks import KINDS
from finetune.tasks.classification import Classification
from finetune.tasks.kind import Kind, Labels, Measure
from finetune.tasks.metrics import constant_guess, evaluate
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.keep import keep
from finetune.training.loop import Training

NOTHING = -100
NAMES = ("thing", "quality")
WORDS = {"film": 0, "plot": 0, "actor": 0, "good": 1, "bad": 1, "dull": 1}


def share_right(labels, output):
    return float((output.argmax(-1) == labels)[labels != NOTHING].mean())


class Words(Kind):
    """Labels (rows, words), padded; predictions (rows, words, classes)."""

    name = "words"
    measures: ClassVar = {"share_right": Measure(share_right, "maximize")}
    problem = "single_label_classification"
    architecture = "TokenClassification"
    several, named = False, False

    def recognise(self, table, columns):
        return None

    def read(self, tables, data, unlabelled):
        return Labels(NAMES, {})

    def targets(self, labels, names, scale, encoded):
        found = np.full(encoded["input_ids"].shape, NOTHING)
        for row in range(len(found)):
            words = encoded.word_ids(row)
            for place, word in enumerate(words):
                if word is not None and (place == 0 or words[place - 1] != word):
                    found[row, place] = labels[row, word]
        return found

    def predictions(self, logits, targets, scale):
        rows = [row[target != NOTHING] for row, target in zip(logits, targets, strict=True)]
        found = np.zeros((len(rows), max(map(len, rows)), len(NAMES)), np.float32)
        for place, row in enumerate(rows):
            found[place, : len(row)] = row
        return found

    def guess(self, task):
        return np.tile(np.float32([1, 0]), (*task.validation.labels.shape, 1))

    def usual(self, names):
        return "share_right"

    def describe(self, train, names):
        return [f"{int((train.labels != NOTHING).sum())} words in train"]


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setitem(KINDS, "words", Words())
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list(WORDS), rng.integers(2, 7))) for _ in range(60)]
    labels = np.full((60, 6), NOTHING)
    for row, text in enumerate(texts):
        labels[row, : len(text.split())] = [WORDS[word] for word in text.split()]
    train, other = split(Rows(texts, None, labels), "words", 20)
    return Task("tags", "words", NAMES, train, other, replace(other, labelled=False))


@pytest.mark.parametrize("family", ["tiny", "Bert", "Roberta"])
def test_it_is_trained_scored_and_saved(task, family, tmp_path):
    model = (
        family if family == "tiny" else str(folder_of(tmp_path / "m", family, tokenizer=tiny_tokenizer(task.train.texts)))
    )
    recipe = Recipe(epochs=4, model=model, learning_rate=2e-2)
    bench = Bench(task, recipe)
    training = Training(bench, recipe, FGM(epsilon=0.1))
    *_, last = training.epochs()
    assert last.metrics["share_right"] > 0.95
    output = bench.predict(training.model, bench.encode(task.test))
    assert evaluate(task, task.validation.labels[:, : output.shape[1]], output) == last.metrics
    (tmp_path / "kept").mkdir()
    assert keep(bench, training.model, tmp_path / "kept") == []
    assert "words in train" in bench.read[1]


def test_its_constant_guess_is_its_own(task):
    things = (task.validation.labels == 0).sum()
    assert constant_guess(task) == {"share_right": pytest.approx(things / (task.validation.labels != NOTHING).sum())}


def mean_gap(labels, output):
    return float(abs(labels - (output > 0).sum(1)).mean())


class Ranks(Classification):
    """Classes in order: one output for each step between them, which asks whether the label lies above."""

    name = "ranks"
    problem = "multi_label_classification"
    measures: ClassVar = {
        "mean_gap": Measure(lambda labels, output: float(abs(labels - (output > 0).sum(1)).mean()), "minimize")
    }

    def outputs(self, names):
        return tuple(f"above {name}" for name in names[:-1])

    def targets(self, labels, names, scale, encoded):
        return (labels[:, None] > np.arange(len(names) - 1)).astype(np.float32)

    def guess(self, task):
        return np.tile(np.float32([1, -1]), (len(task.validation), 1))

    def usual(self, names):
        return "mean_gap"


def test_a_head_may_have_other_outputs_than_there_are_classes(monkeypatch, tmp_path):
    monkeypatch.setitem(KINDS, "ranks", Ranks())
    rows = Rows([" ".join(["dull"] * (3 - n % 3) + ["good"] * (n % 3)) for n in range(30)], None, np.arange(30) % 3)
    task, recipe = Task("stars", "ranks", ("one", "two", "three"), rows, rows, rows), Recipe(epochs=6, learning_rate=2e-2)
    bench = Bench(task, recipe)
    training = Training(bench, recipe, FGM(epsilon=0.1))
    *_, last = training.epochs()
    assert training.model.config.id2label == {0: "above one", 1: "above two"}
    assert bench.predict(training.model, bench.validation).shape == (30, 2)
    assert last.metrics["mean_gap"] < constant_guess(task)["mean_gap"] == pytest.approx(2 / 3)
    assert keep(bench, training.model, tmp_path) == []
