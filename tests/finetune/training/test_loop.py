"""Runs are a function of (recipe, method, epoch), bit for bit."""

import random

import numpy as np
import pytest
import torch
from helpers.small_tasks import (
    METRICS_OF_CLASSES,
    assert_same_state,
    history_of,
    numbers_task,
    reviews_task,
    state_of,
    train,
)

from adv import METHODS, Clean
from finetune.config import Recipe
from finetune.errors import Diverged
from finetune.training.bench import Bench
from finetune.training.loop import Training
from finetune.training.steps import step_seed

RECIPE = Recipe(epochs=2)
# Two steps an epoch.
LONG = Recipe(epochs=3, batch_size=32)


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), RECIPE)


@pytest.fixture(scope="module")
def clean(bench):
    return train(bench, RECIPE, Clean())


@pytest.fixture(scope="module")
def plain_epochs(bench):
    """Three clean epochs, each with the state after it."""
    training = Training(bench, LONG, Clean())
    return [(epoch, {key: value.clone() for key, value in state_of(training).items()}) for epoch in training.epochs()]


def test_two_runs_are_the_same_whatever_the_generators_before_and_between(bench, clean):
    random.seed(5)
    np.random.seed(6)
    torch.manual_seed(7)
    again = Training(bench, RECIPE, Clean())
    for _ in again.epochs():
        torch.rand(11)
        np.random.rand(3)
    assert_same_state(state_of(again), state_of(clean))
    assert history_of(again) == history_of(clean)


def test_another_seed_is_another_run(bench, clean):
    other = train(bench, RECIPE.model_copy(update={"seed": 1}), Clean())
    assert history_of(other) != history_of(clean)


def test_every_micro_batch_has_its_own_seed():
    seeds = [step_seed(seed, epoch, step) for seed in range(3) for epoch in range(12) for step in range(12)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    torch.manual_seed(max(seeds))


class Watching(Clean):
    """Clean training that notes the seed of each micro-batch's dropout."""

    def backward(self, model, batch, *options, **named):
        self.seeds.append(torch.initial_seed())
        return super().backward(model, batch, *options, **named)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_dropout_is_drawn_anew_for_every_micro_batch_of_every_epoch(bench, accumulation):
    recipe, seen = Recipe(epochs=2, batch_size=8, gradient_accumulation=accumulation), []
    for _ in range(2):
        method = Watching()
        method.seeds = []
        train(bench, recipe, method)
        seen.append(method.seeds)
    assert len(set(seen[0])) == len(seen[0]) == 16
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", METHODS)
def test_epochs_before_the_start_are_those_of_clean_training(bench, plain_epochs, name):
    late = Training(bench, LONG, METHODS[name](start_epoch=2))
    for epoch, ((one, there), other) in enumerate(zip(plain_epochs, late.epochs(), strict=True)):
        assert one.number == other.number == epoch
        if epoch < 2:
            assert_same_state(state_of(late), there)
            assert (one.metrics, one.loss, one.diagnostics) == (other.metrics, other.loss, other.diagnostics)
    # Losses of a weak attack may be equal to the last digit; of the weights some differ.
    here = state_of(late)
    assert all(torch.equal(value, here[key]) for key, value in there.items()) is (name == "none")
    assert bool(other.diagnostics) is (name != "none")


def test_an_epoch_reports_what_it_did(bench, clean):
    assert [epoch.number for epoch in clean.history] == [0, 1]
    for epoch in clean.history:
        assert set(epoch.metrics) == set(METRICS_OF_CLASSES)
        assert epoch.seconds > 0
        assert 0 < epoch.loss < 2
    scored = bench.score(clean.model, bench.validation, bench.task.validation, RECIPE)
    assert scored == clean.history[-1].metrics
    assert list(clean.epochs()) == clean.history


def test_the_validation_metric_is_that_of_the_rows_one_by_one(bench, clean):
    tokenizer, rows = bench.models.tokenizer, bench.task.validation
    clean.model.eval()
    with torch.no_grad():
        logits = [clean.model(**tokenizer(text, return_tensors="pt").to(bench.device)).logits[0] for text in rows.texts]
    right = np.mean(torch.stack(logits).argmax(1).cpu().numpy() == rows.labels)
    assert clean.history[-1].metrics["accuracy"] == right


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_learns_in_its_own_numbers(bench, precision):
    recipe = Recipe(epochs=5, precision=precision)
    training = train(bench, recipe, METHODS["fgm"](epsilon=0.1))
    losses = [epoch.loss for epoch in training.history]
    assert losses[-1] < losses[0] - 0.1
    assert {p.dtype for p in training.model.parameters()} == {torch.float32}
    assert all(p.isfinite().all() for p in training.model.parameters())
    with training.precision.autocast(bench.device):
        dtype = (torch.ones(2, 2, device=bench.device) @ torch.ones(2, 2, device=bench.device)).dtype
    assert dtype == {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert (training.precision.scaler is not None) is (precision == "fp16")


def test_fp16_lowers_its_scale_after_an_overflow_and_skips_the_step(bench):
    training = train(bench, Recipe(epochs=2, precision="fp16"), Clean())
    assert training.precision.scaler.get_scale() < 2**16
    steps = {int(entry["step"]) for entry in training.optimiser.state_dict()["state"].values()}
    assert len(steps) == 1
    assert 0 < steps.pop() < 8


@pytest.mark.parametrize("task", [reviews_task, numbers_task])
def test_divergence_is_said(task):
    recipe = Recipe(epochs=3, learning_rate=1e30)
    training = Training(Bench(task(), recipe), recipe, Clean())
    with pytest.raises(Diverged, match=r"finite|loss is"):
        list(training.epochs())


class Exploding(Clean):
    """The weights stay as they are and so do the predictions; the loss does not."""

    def backward(self, model, batch, *options, **named):
        return super().backward(model, batch, *options, **named) + torch.inf


def test_a_loss_that_is_not_finite_is_divergence_where_predictions_still_are(bench):
    with pytest.raises(Diverged, match="the training loss is inf in epoch 0"):
        train(bench, RECIPE, Exploding())
