"""Thresholds of labels that are tuned on the validation rows."""

import json

import numpy as np
import pytest
from helpers.small_tasks import labels_task, train
from scipy.special import expit
from sklearn import metrics

from adv import FGM
from finetune.arguments import as_arguments
from finetune.config import Recipe
from finetune.tasks import kind_for
from finetune.tasks.label_scores import best_thresholds
from finetune.tasks.metrics import constant_guess, evaluate
from finetune.training.bench import Bench
from finetune.training.keep import keep


def test_tuned_thresholds_are_the_best_of_all_cuts():
    rng = np.random.default_rng(0)
    labels = (rng.random((40, 3)) < [0.1, 0.5, 0]).astype(np.float32)
    output = (labels * 1.5 + rng.normal(size=(40, 3)) - 3).astype(np.float32)
    cuts = best_thresholds(labels, output)
    for label in range(2):
        given = output[:, label] > np.linspace(-8, 4, 2000)[:, None]
        every = 2 * (given & (labels[:, label] > 0)).sum(1) / (given.sum(1) + labels[:, label].sum())
        assert metrics.f1_score(labels[:, label], output[:, label] > cuts[label]) == pytest.approx(every.max())
    assert cuts[2] == 0


@pytest.mark.parametrize(
    ("logits", "cut"), [([3.0, 2, -1, -3], 0), ([3.0, 2, 1, -3], 1.5), ([-1.0, -2, -4, -5], -3), ([2, 2, 2, 2], 0)]
)
def test_a_threshold_lies_between_rows_and_as_near_to_one_half_as_it_can(logits, cut):
    assert best_thresholds(np.array([[1.0], [1], [0], [0]]), np.array(logits)[:, None]) == pytest.approx(cut)


def test_other_rows_get_the_thresholds_of_the_validation_rows():
    task, recipe = labels_task("tuned"), Recipe(epochs=1)
    bench = Bench(task, recipe)
    model = train(bench, recipe, FGM()).model
    cuts = best_thresholds(task.validation.labels, bench.outputs(model, bench.validation))
    assert np.abs(cuts).min() > 0
    test = bench.encode(task.test)
    found, plain = bench.predict(model, test), bench.outputs(model, test)
    np.testing.assert_array_equal(found[..., 0], plain)
    np.testing.assert_allclose(found[..., 1], np.tile(cuts, (len(task.test), 1)), rtol=1e-6)
    expected = metrics.f1_score(task.test.labels, plain > cuts, average="macro", zero_division=0.0)
    assert evaluate(task, task.test.labels, found)["macro_f1"] == pytest.approx(expected)
    own = best_thresholds(task.test.labels, plain)
    assert metrics.f1_score(task.test.labels, plain > own, average="macro") > expected


def test_the_saved_model_says_its_thresholds(tmp_path):
    task, recipe = labels_task("tuned"), Recipe(epochs=1)
    bench = Bench(task, recipe)
    model = train(bench, recipe, FGM()).model
    assert keep(bench, model, tmp_path) == []
    cuts = expit(best_thresholds(task.validation.labels, bench.outputs(model, bench.validation)))
    assert json.loads((tmp_path / "config.json").read_text())["label_thresholds"] == pytest.approx(list(cuts))
    assert f"| with commas | {cuts[1]:.6g} |" in (tmp_path / "README.md").read_text()


def test_tuning_is_said_to_be_optimistic_and_the_guess_is_tuned_too():
    task = labels_task("tuned")
    line = kind_for(task).scored(task.validation, task.names, "validation")[0]
    assert "so their F1 is too good" in line
    assert "thresholds='fixed'" in as_arguments(line)
    shares = task.validation.labels.mean(0)
    assert constant_guess(task)["macro_f1"] == pytest.approx(np.mean(2 * shares / (1 + shares)))
