"""How much better chosen evaluations look than they are."""

import json

import numpy as np
import pytest
from helpers.small_tasks import reviews_task
from scipy.special import softmax

from adv import Clean
from finetune.config import Data, Recipe
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.loop import Training
from studies.planning.plan import make_plan
from studies.running.footprint import clean_files
from studies.running.luck import Luck, luck, luck_in
from studies.running.objective import Objective

COUNT = 200
ROWS = Rows(["a"] * COUNT, None, np.arange(COUNT) % 2)
TASK = Task("coins", "classification", ("no", "yes"), ROWS, ROWS, ROWS)


def guesses(share, seed):
    """Logits that are right for about this share of the rows."""
    right = np.random.default_rng(seed).random(COUNT) < share
    said = np.where(right, ROWS.labels, 1 - ROWS.labels)
    return np.eye(2)[said]


def test_equal_evaluations_leave_nothing_to_luck():
    assert luck(TASK, "accuracy", [guesses(0.8, 0)] * 6, 1) == 0


def test_one_that_is_far_better_is_no_luck():
    outputs = [guesses(0.6, 1), guesses(0.6, 2), guesses(0.95, 3)]
    assert abs(luck(TASK, "accuracy", outputs, 1)) < 0.006


def test_the_best_of_equally_good_ones_is_as_lucky_as_the_largest_of_normal_numbers():
    """The largest of 8 is 1.42 standard deviations above the mean; that of an accuracy of 0.8 on 200 rows is 0.028."""
    found = [luck(TASK, "accuracy", [guesses(0.8, 10 * draw + seed) for seed in range(8)], 1) for draw in range(1, 3)]
    # The evaluations differ already, so that a draw does not choose as freely as new rows would.
    assert 0.4 * 1.42 * 0.028 < np.mean(found) < 1.42 * 0.028


def test_three_are_less_lucky_than_one_and_errors_count_from_the_other_side():
    outputs = [guesses(0.8, seed) + np.random.default_rng(seed).random((COUNT, 2)) for seed in range(8)]
    one, three = (luck(TASK, "accuracy", outputs, many) for many in (1, 3))
    assert one > three > 0
    assert luck(TASK, "log_loss", outputs, 1) > 0


def test_of_errors_the_smallest_are_chosen():
    """One that is far worse is never the best of a draw, so it adds hardly any luck and takes hardly any away."""
    alike = [guesses(0.8, seed) + np.random.default_rng(seed).random((COUNT, 2)) for seed in range(8)]
    assert luck(TASK, "log_loss", [*alike, 9 * guesses(0.2, 8)], 1) > 0.5 * luck(TASK, "log_loss", alike, 1)


@pytest.mark.parametrize(("score", "many"), [("best", 1), ("soup", 3)])
def test_luck_is_that_of_the_weights_that_are_scored_and_of_as_many_as_are_chosen(tmp_path, score, many):
    recipe = Recipe(epochs=2, batch_size=16, evals_per_epoch=2, score=score, average="ema", half_life=0.5)
    bench = Bench(reviews_task(), recipe)
    training, labels = Training(bench, recipe, Clean(), "log_loss"), bench.task.validation.labels
    looking = Luck(training)
    for epoch in training.epochs():
        looking.look()
        shares = softmax(looking.outputs[-1], axis=1)[range(len(labels)), labels]
        assert -np.log(shares).mean() == pytest.approx(epoch.metrics["log_loss"], rel=1e-5)
    looking.write(tmp_path)
    expected = luck(bench.task, "log_loss", looking.outputs, many)
    assert json.loads((tmp_path / "clean-luck.json").read_text()) == expected


@pytest.mark.parametrize(("score", "kept"), [("last", False), ("best", True), ("soup", True)])
def test_clean_training_keeps_it_where_evaluations_are_chosen(tmp_path, score, kept):
    recipe = Recipe(epochs=2, batch_size=32, evals_per_epoch=2, score=score)
    plan = make_plan("fgm", Data(task="reviews"), recipe)
    bench = Bench(reviews_task(), recipe)
    objective = Objective(plan, "accuracy", bench, tmp_path / "study", tmp_path / "prefix", lambda *_: None)
    history = objective.baseline()
    found = objective.validation(0.5)
    assert ("luck" in found) == kept
    assert ("clean-luck.json" in {path.name for path in clean_files(objective.prefix)}) == kept
    again = Objective(plan, "accuracy", bench, tmp_path / "study", tmp_path / "prefix", lambda *_: None)
    assert again.baseline() == history
    assert again.validation(0.5) == found
    other = Objective(plan, "log_loss", bench, tmp_path / "study", tmp_path / "prefix", lambda *_: None)
    assert (other.prefix == objective.prefix) == (not kept)  # another metric chooses others


@pytest.mark.parametrize("content", ["", "nan", "[1]", "{}", "null", '"x"'])
def test_a_damaged_file_says_nothing(tmp_path, content):
    (tmp_path / "clean-luck.json").write_text(content)
    found = luck_in(tmp_path, "accuracy")
    assert found == {} or json.dumps(found) == '{"luck": {"accuracy": NaN}}'
