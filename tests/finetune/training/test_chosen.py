"""Which weights a run is scored by: the last, the best evaluation's, the mean of the best three."""

import math

import numpy as np
import pytest
import torch
from helpers.small_tasks import numbers_task, reviews_task, train

from adv import FGM, Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.chosen import Chosen
from finetune.training.epoch import Epoch, metrics_of, read, stored, value_of
from finetune.training.loop import Training

# Two steps an epoch, each evaluated.
RECIPE = Recipe(epochs=3, batch_size=32, evals_per_epoch=2)


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), RECIPE)


def offered(score, values, maximize=True):
    """After evaluations with these values, each with its number as the only weight; and what the model then is."""
    live = {"w": torch.zeros(2)}
    chosen = Chosen(live, RECIPE.model_copy(update={"score": score}), maximize)
    for number, value in enumerate(values):
        live["w"].fill_(number)
        chosen.offer(number, value)
    with chosen.swapped():
        inside = live["w"].tolist()
    assert live["w"].tolist() == [len(values) - 1] * 2
    return chosen, inside


@pytest.mark.parametrize(
    ("values", "maximize", "best", "soup"),
    [
        ([0.1, 0.9, 0.5, 0.7, 0.2], True, [1], [1, 2, 3]),
        ([0.1, 0.9, 0.5, 0.7, 0.2], False, [0], [0, 2, 4]),
        ([0.5, 0.5, 0.5, 0.5], True, [0], [0, 1, 2]),  # of equal ones the earlier
        ([0.5, 0.5, 0.7, 0.5], True, [2], [0, 1, 2]),
        ([math.nan, 0.1, math.nan, 0.3, 0.2], True, [3], [1, 3, 4]),
        ([math.nan, math.nan], False, [0], [0, 1]),
        ([-math.inf, 0.0], True, [1], [0, 1]),
        ([0.4], True, [0], [0]),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], True, [5], [3, 4, 5]),
    ],
)
def test_the_best_evaluations_are_kept(values, maximize, best, soup):
    for score, numbers in (("best", best), ("soup", soup)):
        chosen, inside = offered(score, values, maximize)
        assert list(chosen.numbers) == numbers
        assert inside == pytest.approx([sum(numbers) / len(numbers)] * 2)
    chosen, inside = offered("last", values, maximize)
    assert (chosen.kept, chosen.state_dict(), chosen.facts()) == ([], {}, {})
    assert inside == [len(values) - 1] * 2


def test_kept_weights_are_copies_that_a_snapshot_brings_back():
    chosen = offered("soup", [0.1, 0.9, 0.5, 0.7])[0]
    live = {"w": torch.full((2,), 9.0)}
    again = Chosen(live, RECIPE.model_copy(update={"score": "soup"}), True)
    again.load_state_dict(chosen.state_dict(), chosen.facts())
    assert again.numbers == chosen.numbers
    again.offer(4, 0.6)
    assert again.numbers == (1, 3, 4)
    with again.swapped():
        assert live["w"].tolist() == pytest.approx([(1 + 3 + 9) / 3] * 2)


@pytest.mark.parametrize("value", [0.1, -1e-40, 3e38, 1 / 3])
def test_weights_that_stay_are_their_own_mean_bit_for_bit(value):
    live = {"frozen": torch.full((2,), value), "trained": torch.zeros(1)}
    chosen = Chosen(live, RECIPE.model_copy(update={"score": "soup"}), True)
    for number in range(3):
        live["trained"].fill_(number)
        chosen.offer(number, 0.5)
    with chosen.swapped():
        assert torch.equal(live["frozen"], torch.full((2,), value))
        assert live["trained"].item() == pytest.approx(1)


def test_an_error_inside_leaves_the_model_as_it_was():
    live = {"w": torch.zeros(2)}
    chosen = Chosen(live, RECIPE.model_copy(update={"score": "best"}), True)
    chosen.offer(0, 1.0)
    live["w"].fill_(3)
    with pytest.raises(RuntimeError), chosen.swapped():
        raise RuntimeError
    assert live["w"].tolist() == [3, 3]


class Recording(Clean):
    """Clean training that keeps the weights after each step."""

    def after_step(self, model):
        self.seen = [*getattr(self, "seen", []), {name: value.clone() for name, value in model.state_dict().items()}]


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
@pytest.mark.parametrize("score", ["best", "soup"])
def test_a_run_is_worth_what_its_chosen_weights_are(bench, score, metric):
    recipe, method = RECIPE.model_copy(update={"score": score, "learning_rate": 0.1}), Recording()
    training = Training(bench, recipe, method, metric)
    list(training.epochs())
    best = {}
    for name, sign in (("log_loss", 1), ("accuracy", -1)):
        order = np.argsort([sign * epoch.metrics[name] for epoch in training.history], kind="stable")
        best[name] = sorted(order[: 1 if score == "best" else 3].tolist())
    assert best["log_loss"] != best["accuracy"]
    numbers = best[metric]
    assert list(training.history[-1].chosen) == numbers
    assert [epoch.scored for epoch in training.history[:-1]] == [None] * 5
    weights = {name: sum(method.seen[number][name].double() for number in numbers) / len(numbers) for name in method.seen[0]}
    with training.scored():
        for name, value in training.model.state_dict().items():
            torch.testing.assert_close(value.double(), weights[name].to(value.device), rtol=1e-6, atol=1e-7)
        scores = bench.score(training.model, bench.validation, bench.task.validation, recipe)
    assert scores == training.history[-1].scored == metrics_of(training.history)
    assert value_of(training.history, metric) == scores[metric]
    if score == "best":
        assert scores == training.history[numbers[0]].metrics
    assert all(torch.equal(value, method.seen[-1][name]) for name, value in training.model.state_dict().items())


def test_choosing_does_not_change_training(bench):
    runs = [
        train(bench, RECIPE.model_copy(update={"score": score}), FGM(start_epoch=1)) for score in ("last", "best", "soup")
    ]
    assert runs[0].history[-1].metrics == runs[1].history[-1].metrics == runs[2].history[-1].metrics
    assert [epoch.loss for epoch in runs[0].history] == [epoch.loss for epoch in runs[2].history]
    assert runs[0].history[-1].scored is runs[0].history[-1].chosen is None


def test_averaged_weights_are_chosen_where_the_recipe_averages(bench):
    recipe = RECIPE.model_copy(update={"average": "ema", "half_life": 0.2, "score": "best"})
    training = Training(bench, recipe, Clean(), "log_loss")
    averages = []
    for _ in training.epochs():
        averages.append([mean.clone() for mean in training.average.mean])
    (number,) = training.history[-1].chosen
    with training.scored():
        inside = [value.clone() for value in training.average.live.values()]
    assert all(torch.equal(value, mean) for value, mean in zip(inside, averages[number], strict=True))


def test_an_error_is_chosen_by_its_own_direction():
    task = numbers_task(1)
    recipe = RECIPE.model_copy(update={"score": "best", "learning_rate": 0.05})
    training = train(Bench(task, recipe), recipe, Clean())
    errors = [epoch.metrics[training.metric] for epoch in training.history]
    assert value_of(training.history, training.metric) == min(errors)


def test_the_choice_is_stored_with_the_last_evaluation_only():
    epoch = Epoch(5, {"accuracy": 0.5}, {}, 0.25, 1.5, {"accuracy": 0.75}, (2, 3))
    assert read(stored(epoch)) == epoch
    assert stored(epoch)["chosen"] == (2, 3)
    assert value_of([epoch], "accuracy") == 0.75


@pytest.mark.parametrize("average", ["none", "ema"])
@pytest.mark.parametrize("score", ["last", "best", "soup"])
@pytest.mark.parametrize("loaded", [False, True])
def test_what_a_finished_run_says_is_said_with_the_weights_of_its_value(bench, tmp_path, score, average, loaded):
    recipe = RECIPE.model_copy(update={"score": score, "average": average, "learning_rate": 0.1})
    training = train(bench, recipe, FGM(start_epoch=1))
    if loaded:
        training.save(tmp_path / "run.safetensors")
        training = Training(bench, recipe, FGM(start_epoch=1))
        assert training.load(tmp_path / "run.safetensors")
    with training.scored():
        expected = bench.outputs(training.model, bench.validation)
    assert (training.outputs() == expected).all()
    with training.scored():  # the weights are as they were
        assert (bench.outputs(training.model, bench.validation) == expected).all()
