"""A bench for each fold: nothing of it has seen the rows that the fold validates."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers.folded_tasks import FOLD_OF, folded
from helpers.small_tasks import assert_same_state, labels_task, numbers_task, reviews_task, state_of, steps_task, train
from helpers.tagged_sentences import tokens_task

from adv import FGM
from finetune.config import Recipe
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.benches import Benches

RECIPE = Recipe(epochs=1, batch_size=32)
BALANCED = RECIPE.model_copy(update={"class_weights": "balanced"})
HIDDEN = 1
KINDS = {
    "classes": (reviews_task, BALANCED),
    "labels": (labels_task, BALANCED),
    "numbers": (numbers_task, RECIPE),
    "ordered": (steps_task, BALANCED),
    "ordered, as a number": (partial(steps_task, "number"), RECIPE),
    "words": (tokens_task, BALANCED),
}


def with_others(task: Task) -> Task:
    """The task with other texts and other labels in the rows of one fold."""
    hidden = task.fold_of == HIDDEN
    labels, texts = task.train.labels.copy(), list(task.train.texts)
    for row in np.flatnonzero(hidden):
        texts[row] = " ".join(f"unheard{n}" for n, _ in enumerate(texts[row].split()))
    if task.kind == "regression":
        labels[hidden] = 1000 - 7 * labels[hidden]
    elif task.kind == "multilabel":
        labels[hidden] = 1
    else:
        labels[hidden] = np.where(labels[hidden] < 0, labels[hidden], len(task.names) - 1)
    pool = Rows(texts, None, labels)
    return replace(task, train=pool, validation=pool)


@pytest.mark.parametrize(("task", "recipe"), KINDS.values(), ids=KINDS)
def test_a_fold_is_trained_as_if_its_validation_rows_were_others(task, recipe):
    task = folded(task())
    one, other = (Benches(each, recipe) for each in (task, with_others(task)))
    runs = [train(benches.fold(HIDDEN), recipe, FGM()) for benches in (one, other)]
    assert_same_state(*map(state_of, runs))
    assert one.fold(HIDDEN).models.fingerprint == other.fold(HIDDEN).models.fingerprint
    assert one.fold(0).models.fingerprint != other.fold(0).models.fingerprint
    assert one.fold(HIDDEN).validation.inputs["input_ids"].ne(other.fold(HIDDEN).validation.inputs["input_ids"]).any()


def test_targets_are_standardised_by_the_train_rows_of_the_fold():
    task = folded(numbers_task())
    benches = Benches(task, RECIPE)
    for fold in range(3):
        kept = task.train.labels[task.fold_of != fold]
        np.testing.assert_allclose(benches.fold(fold).scale.mean, kept.mean(0), rtol=1e-6)
        np.testing.assert_allclose(benches.fold(fold).scale.std, kept.std(0), rtol=1e-6)


def test_a_bench_is_made_once_and_equals_the_bench_of_the_fold_alone():
    task = folded(reviews_task())
    benches = Benches(task, RECIPE, ("noisy",))
    bench, alone = benches.fold(2), Bench(task.fold(2), RECIPE, ("noisy",))
    assert benches.fold(2) is bench
    assert bench.task.train.texts == [text for text, fold in zip(task.train.texts, FOLD_OF, strict=True) if fold != 2]
    assert bench.models.fingerprint == alone.models.fingerprint
    assert bench.views == ("noisy",)
    assert torch.equal(bench.train.inputs["input_ids"], alone.train.inputs["input_ids"])
    assert (len(benches.whole.train), len(benches.whole.validation)) == (40, 40)


def test_without_folds_there_is_one_bench():
    benches = Benches(reviews_task(), RECIPE)
    assert benches.fold(0) is benches.whole


def test_a_model_that_was_looked_at_is_not_kept_for_all_rows(monkeypatch):
    recipe = RECIPE.model_copy(update={"head_dropout": 0.2})
    benches = Benches(folded(reviews_task()), recipe)
    assert benches.whole.models._looked_at is None
    assert Benches(reviews_task(), recipe).whole.models._looked_at is not None


def test_what_was_read_is_told_for_folds():
    read = Benches(folded(reviews_task()), RECIPE).whole.read
    assert "rows: 40 train in 3 folds, 4 test" in read
    assert any(line.endswith("unknown tokens: 0 %") for line in read)
    assert not any("also train texts" in line or "validation" in line for line in read)
