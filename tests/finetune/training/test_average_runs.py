"""Averages in the training loop: with any method, in any precision, from any epoch on; test_exact.py resumes them."""

import pytest
import torch
from helpers.small_tasks import assert_same_state, reviews_task, state_of, train

from adv import AWP, FGM, Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.loop import Training

OPTIONS = {"ema": {"average": "ema", "half_life": 0.1}, "swa": {"average": "swa", "swa_start": 0.4}}
KINDS = pytest.mark.parametrize("kind", OPTIONS)


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe())


def recording(kind):
    """A method of this kind that keeps the weights as they are after each step."""

    class Recording(kind):
        def after_step(self, model):
            super().after_step(model)
            self.seen = [*getattr(self, "seen", []), [p.detach().clone() for p in model.parameters()]]

    return Recording


def by_hand(recipe, seen, steps):
    """The average of the weights after each step."""
    if recipe.average == "swa":
        return [
            torch.stack(values).double().mean(0) for values in zip(*seen[round(steps * recipe.swa_start) :], strict=True)
        ]
    mean = [value.double() for value in seen[0]]
    for count, values in enumerate(seen[1:], start=1):
        beta = min(0.5 ** (1 / (recipe.half_life * steps)), (1 + count) / (10 + count))
        mean = [beta * old + (1 - beta) * new.double() for old, new in zip(mean, values, strict=True)]
    return mean


@KINDS
@pytest.mark.parametrize(
    ("method", "settings"), [(Clean, {}), (FGM, {"start_epoch": 1}), (AWP, {"adv_lr": 0.1})], ids=["none", "fgm", "awp"]
)
def test_the_average_is_that_of_the_weights_after_each_step_and_training_knows_nothing_of_it(bench, kind, method, settings):
    recipe = Recipe(epochs=3, batch_size=8, **OPTIONS[kind])
    used = recording(method)(**settings)
    training = train(bench, recipe, used)
    names = [name for name, _ in training.model.named_parameters()]
    # Before start_epoch another object trains: its steps are seen through the same steps of a clean run.
    if settings.get("start_epoch"):
        early = recording(Clean)()
        next(Training(bench, recipe, early).epochs())
        used.seen = early.seen + used.seen
    assert len(used.seen) == 24
    for name, expected in zip(names, by_hand(recipe, used.seen, 24), strict=True):
        found = training.average.mean[list(training.average.live).index(name)]
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(p, last) for p, last in zip(training.model.parameters(), used.seen[-1], strict=True))
    if kind == "ema":
        plain = train(bench, recipe.model_copy(update={"average": "none"}), method(**settings))
        assert_same_state(state_of(training), state_of(plain))


@KINDS
def test_metrics_are_those_of_the_average(bench, kind):
    recipe = Recipe(epochs=2, **OPTIONS[kind])
    training = train(bench, recipe, Clean())
    last = bench.score(training.model, bench.validation, bench.task.validation, recipe)
    with training.average.swapped():
        mean = bench.score(training.model, bench.validation, bench.task.validation, recipe)
    assert training.history[-1].metrics == mean
    assert last["log_loss"] != mean["log_loss"]


def test_a_step_that_the_scaler_skipped_is_not_averaged(bench):
    recipe = Recipe(epochs=2, precision="fp16", average="swa", swa_start=0.0)
    used = recording(Clean)()
    training = train(bench, recipe, used)
    taken = {int(state["step"]) for state in training.optimiser.state_dict()["state"].values()}
    assert taken == {training.average.count}
    assert 0 < training.average.count < len(used.seen) == 8
    moved = [now for before, now in zip(used.seen, used.seen[1:], strict=False) if not torch.equal(before[0], now[0])]
    assert len(moved) in (training.average.count, training.average.count - 1)
    expected = [torch.stack(values).mean(0) for values in zip(*used.seen[-training.average.count :], strict=True)]
    for found, mean in zip(training.average.mean, expected, strict=False):
        torch.testing.assert_close(found, mean, rtol=1e-5, atol=1e-6)


def test_an_average_tells_apart_runs_that_differ_in_it_alone(bench):
    losses = set()
    for options in ({}, *OPTIONS.values(), {"average": "ema", "half_life": 0.5}):
        training = train(bench, Recipe(epochs=2, **options), Clean())
        losses.add(training.history[-1].metrics["log_loss"])
    assert len(losses) == 4
