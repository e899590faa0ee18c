"""Small tasks, files and runs."""

import hashlib
import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import torch

from adv import FGM
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.loop import Training
from finetune.training.snapshot import model_tensors, optimiser_tensors

# In the order in which a run reports them.
METRICS_OF_CLASSES = (
    *("accuracy", "macro_f1", "micro_f1", "weighted_f1", "mcc", "log_loss"),
    *("roc_auc", "average_precision", "qwk"),
)


@cache
def reviews_task():
    """64 reviews to train on and 64 to look at, few texts for the vectors."""
    task = load_task(Data(task="reviews", max_train_rows=64))
    first = np.arange(64)
    parts = {"validation": task.validation.take(first), "test": task.test.take(first)}
    return replace(task, unlabelled=task.unlabelled[:300], **parts)


@cache
def numbers_task(targets=2):
    """The same texts; targets: the number of words, and 100 times the number of commas."""

    def numbers(rows):
        values = [(len(text.split()), 100 + 100 * text.count(",")) for text in rows.texts]
        return Rows(rows.texts, None, np.array(values, np.float32)[:, :targets])

    task = reviews_task()
    names = ("words", "commas")[:targets]
    return Task("numbers", "regression", names, numbers(task.train), numbers(task.validation), numbers(task.test))


def shares_task(targets=2):
    """The words and commas of the reviews, as shares of the longest."""
    task = numbers_task(targets)
    most = np.max([part.labels.max(0) for part in (task.train, task.validation, task.test)], axis=0)
    parts = {
        name: Rows(rows.texts, None, rows.labels / most)
        for name, rows in (("train", task.train), ("validation", task.validation), ("test", task.test))
    }
    return replace(task, **parts)


@cache
def labels_task(form=""):
    """The same texts; labels: it is long, it has several commas, it is good."""

    def labels(rows):
        values = [
            (len(text.split()) > 12, text.count(",") > 2, label) for text, label in zip(rows.texts, rows.labels, strict=True)
        ]
        return Rows(rows.texts, None, np.array(values, np.float32))

    task = reviews_task()
    splits = [labels(rows) for rows in (task.train, task.validation, task.test)]
    return Task("labels", "multilabel", ("long", "with commas", "good"), *splits, form=form)


@cache
def steps_task(form=""):
    """The same texts; classes in order: short, middling, long."""

    def steps(rows):
        return Rows(rows.texts, None, np.digitize([len(text.split()) for text in rows.texts], [10, 14]))

    task = reviews_task()
    splits = [steps(rows) for rows in (task.train, task.validation, task.test)]
    return Task("steps", "ordinal", ("short", "middling", "long"), *splits, form=form)


def write_lines(path, rows):
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def rows_with(labels, **more):
    """Numbered texts with these labels, and more columns that hold the number."""
    return [{"text": f"text {n}", "label": label, **{key: n for key in more}} for n, label in enumerate(labels)]


def train(bench, recipe, method):
    """A finished run."""
    training = Training(bench, recipe, method)
    for _ in training.epochs():
        pass
    return training


def state_of(training):
    """Every tensor of a run: weights and optimiser."""
    return model_tensors(training.model) | optimiser_tensors(training.optimiser)


def history_of(training):
    """What a run reported, without the seconds."""
    return [asdict(epoch) | {"seconds": 0} for epoch in training.history]


def assert_same_state(one, other):
    """Bit for bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def digest_of_a_run():
    """Of all that a short run with FGM leaves: reports, weights, optimiser."""
    recipe = Recipe(epochs=2)
    training = train(Bench(reviews_task(), recipe), recipe, FGM())
    digest = hashlib.sha256(repr(history_of(training)).encode())
    for value in state_of(training).values():
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()
