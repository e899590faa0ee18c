"""Raw outputs decide what is predicted, for every kind; and files that are read in blocks meet the same batches."""

import numpy as np
import pytest
from helpers.small_tasks import labels_task, numbers_task, reviews_task, shares_task, steps_task
from helpers.tagged_sentences import tokens_task

from finetune.config import Recipe
from finetune.data import encode
from finetune.training.bench import Bench

TASKS = [
    *(reviews_task, numbers_task, shares_task, labels_task),
    *(lambda: labels_task("tuned"), steps_task, lambda: steps_task("classes"), lambda: steps_task("number"), tokens_task),
]


@pytest.mark.parametrize("number", range(len(TASKS)))
def test_raw_outputs_decide_what_is_predicted(number):
    task = TASKS[number]()
    bench = Bench(task, Recipe(max_length=7, loss="bce" if number == 2 else None))  # of words: several windows
    model = bench.models.build(0)
    raw, output = bench.raw(model, bench.validation, 7), bench.outputs(model, bench.validation, 7)
    decided = bench.kind.decided(raw)
    assert decided.dtype == output.dtype
    assert np.array_equal(decided, output)
    assert raw.shape[-1] == len(bench.models.names)
    if bench.kind.by_word:
        assert np.array_equal(np.isnan(raw).all(-1), task.validation.labels == -1)
        assert len(bench.validation) > len(task.validation)
        assert set(np.unique(output)) > {-1, 0}


@pytest.mark.parametrize("task", [reviews_task, tokens_task])
def test_blocks_of_a_file_are_scored_as_the_whole_split(monkeypatch, task):
    task = task()
    bench = Bench(task, Recipe(max_length=7))
    model = bench.models.build(0)
    monkeypatch.setattr(encode, "BLOCK", 9)
    seen, rows = [], task.validation
    whole = bench.raw(model, bench.validation, 4)
    for start in range(0, len(rows), 9):
        block = rows.take(np.arange(start, min(start + 9, len(rows))))
        seen.append(bench.raw(model, bench.encode(block), 4))
    assert np.array_equal(np.concatenate(seen), whole, equal_nan=True)
    for index in encode.score_batches(bench.validation, 4):
        places = index if bench.validation.places is None else bench.validation.places.sentences[index]
        assert len(set(places // 9)) == 1
        assert (np.diff(bench.validation.lengths[index]) <= 0).all()
        assert len(index) <= 4
