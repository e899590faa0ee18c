"""How far the value of clean training would move with other validation rows, and that new studies know it."""

import json
import math

import numpy as np
import pytest

from finetune.config import Data, Recipe
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from studies.planning.plan import make_plan
from studies.running.footprint import clean_files
from studies.running.objective import Objective
from studies.running.split_error import OUTPUT, bootstrapped, validation


def films(count=40):
    rows = Rows(["a fine film", "a dull film"] * (count // 2), None, np.array([1, 0] * (count // 2)))
    return Task("films", "classification", ("bad", "good"), rows, rows, rows)


def numbers(count=200):
    labels = np.random.default_rng(0).standard_normal((count, 1))
    rows = Rows(["a text"] * count, None, labels)
    return Task("numbers", "regression", ("score",), rows, rows, rows)


@pytest.mark.parametrize(
    ("metric", "clean", "error"),
    [
        ("accuracy", 0.8, math.sqrt(0.8 * 0.2 / 40)),
        ("micro_f1", 0.5, math.sqrt(0.25 / 40)),
        ("robust_accuracy", 0.6, math.sqrt(0.24 / 40)),
        ("accuracy", 1.0, 0.0),
        ("accuracy", 0.0, 0.0),
    ],
)
def test_a_share_of_rows_has_the_binomial_error(tmp_path, metric, clean, error):
    assert validation(films(), metric, clean, tmp_path) == {"rows": 40, "error": {metric: pytest.approx(error)}}


def test_the_bootstrap_of_an_accuracy_is_the_binomial_error():
    task = films(400)
    output = np.where(np.random.default_rng(1).random(400) < 0.8, task.validation.labels, 1 - task.validation.labels)
    logits = np.stack([-output, output], axis=1)
    share = float(np.mean(output == task.validation.labels))
    assert bootstrapped(task, "accuracy", logits) == pytest.approx(math.sqrt(share * (1 - share) / 400), rel=0.2)


def test_the_error_of_an_rmse_is_that_of_normal_errors():
    task = numbers()
    output = task.validation.labels + np.random.default_rng(2).standard_normal((200, 1))
    assert bootstrapped(task, "rmse", output) == pytest.approx(1 / math.sqrt(2 * 200), rel=0.3)


@pytest.mark.parametrize(
    "content",
    [None, "", "{", "[[1.0, 2.0]]", json.dumps([["a", "b"]] * 40), json.dumps([[0.0, math.nan]] * 40)],
    ids=["no file", "empty", "torn", "of other rows", "words", "not a number"],
)
def test_without_usable_predictions_only_the_rows_are_known(tmp_path, content):
    if content is not None:
        (tmp_path / OUTPUT).write_text(content)
    found = validation(films(), "mcc", 0.5, tmp_path)
    assert found["rows"] == 40
    assert found["error"] == {} or math.isfinite(found["error"]["mcc"])


def test_predictions_of_the_rows_as_they_are_say_nothing_about_another_view(tmp_path):
    (tmp_path / OUTPUT).write_text(json.dumps([[0.0, 1.0], [1.0, 0.0]] * 20))
    assert validation(films(), "noisy_mcc", 0.5, tmp_path) == {"rows": 40, "error": {}}
    assert validation(films(), "mcc", 0.5, tmp_path)["error"]["mcc"] == 0.0


def test_a_draw_that_lacks_a_class_is_no_error():
    labels = np.array([1] * 39 + [0])
    rows = Rows(["a"] * 40, None, labels)
    task = Task("rare", "classification", ("bad", "good"), rows, rows, rows)
    logits = np.stack([1.0 - labels, labels.astype(float)], axis=1)
    for metric in ("macro_f1", "mcc", "log_loss", "qwk"):
        assert math.isfinite(bootstrapped(task, metric, logits))


@pytest.mark.parametrize(("metric", "kept"), [("accuracy", False), ("macro_f1", True)])
def test_clean_training_keeps_the_predictions_that_its_error_needs(tmp_path, metric, kept):
    task, recipe = films(), Recipe(epochs=1)
    plan = make_plan("fgm", Data(task="reviews"), recipe)
    objective = Objective(plan, metric, Bench(task, recipe), tmp_path / "study", tmp_path / "prefix", lambda *_: None)
    clean = objective.baseline()[-1].metrics[metric]
    found = objective.validation(clean)
    assert found["rows"] == 40
    assert list(found["error"]) == [metric]
    assert (objective.prefix / OUTPUT).exists() == kept
    assert {path.name for path in clean_files(objective.prefix)} == {"clean.json"} | ({OUTPUT} if kept else set())
