"""Regression: trained on standardised targets, scored in their own units."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.small_tasks import numbers_task, train

from adv import FGM, Clean
from finetune.config import Recipe
from finetune.tasks.task import Rows
from finetune.training.bench import Bench
from finetune.training.loop import Training

RECIPE = Recipe(epochs=2)


def silent(bench):
    """A model that always answers 0."""
    model = bench.models.build(0).to(bench.device)
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)
    return model


@pytest.mark.parametrize("targets", [1, 2])
def test_targets_are_standardised_by_the_training_split(targets):
    task = numbers_task(targets)
    bench = Bench(task, RECIPE)
    labels = bench.train.labels
    assert labels.dtype == torch.float32
    assert labels.shape == (64, targets)
    torch.testing.assert_close(labels.mean(0), torch.zeros(targets), atol=1e-5, rtol=0)
    torch.testing.assert_close(labels.std(0, correction=0), torch.ones(targets))
    mean, std = task.train.labels.mean(0), task.train.labels.std(0)
    torch.testing.assert_close(bench.validation.labels, torch.from_numpy((task.validation.labels - mean) / std))


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("shift", [0, 1])
def test_predictions_are_mapped_back(targets, shift):
    task = numbers_task(targets)
    bench = Bench(task, RECIPE)
    model = silent(bench)
    torch.nn.init.constant_(model.classifier.bias, shift)
    predicted = task.train.labels.mean(0) + shift * task.train.labels.std(0)
    scores = bench.score(model, bench.validation, task.validation, RECIPE)
    assert scores["rmse"] == pytest.approx(math.sqrt(np.mean((task.validation.labels - predicted) ** 2)), rel=1e-5)
    assert scores["pearson"] == 0


def test_training_beats_the_mean_of_every_target():
    bench = Bench(numbers_task(), RECIPE)
    recipe = Recipe(epochs=12)
    training = train(bench, recipe, FGM(epsilon=0.1))
    constant = bench.score(silent(bench), bench.validation, bench.task.validation, recipe)
    last = training.history[-1].metrics
    assert last["mcrmse"] < 0.8 * constant["mcrmse"]
    assert last["pearson"] > 0.5


def test_units_of_the_targets_do_not_change_training():
    task = numbers_task()
    other = replace(task, train=Rows(task.train.texts, None, task.train.labels * np.float32(1024)))
    one, same = (Training(Bench(made, RECIPE), RECIPE, Clean()) for made in (task, other))
    losses = [[epoch.loss for epoch in training.epochs()] for training in (one, same)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_target_that_never_changes_does_not_divide_by_zero():
    task = numbers_task(1)
    rows = [Rows(part.texts, None, np.full_like(part.labels, 3)) for part in (task.train, task.validation)]
    training = train(Bench(replace(task, train=rows[0], validation=rows[1]), RECIPE), RECIPE, Clean())
    assert training.history[-1].metrics["rmse"] < 1e-3
