"""Validation in other views: what is measured, and that training does not notice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.small_tasks import assert_same_state, numbers_task, reviews_task, state_of, train

from adv import FGM, FreeLB
from adv.steps.fixed import FixedAttack
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.tasks.metrics import constant_guess, evaluate, views_of
from finetune.training.bench import Bench
from finetune.training.views import attacked, told

RECIPE = Recipe(epochs=2)
BOTH = ("robust", "noisy")


@pytest.fixture(scope="module", params=["classes", "numbers"])
def runs(request):
    """The same run, measured plainly and in all views."""
    task = reviews_task() if request.param == "classes" else numbers_task()
    method = (lambda: FreeLB(epsilon=0.5)) if request.param == "classes" else (lambda: FGM(epsilon=0.5))
    ended = []
    for views in ((), BOTH):
        torch.manual_seed(5)
        ended.append((train(Bench(task, RECIPE, views), RECIPE, method()), torch.get_rng_state()))
    return ended


def test_training_is_bit_for_bit_the_same(runs):
    (plain, generator), (viewed, other) = runs
    assert_same_state(state_of(plain), state_of(viewed))
    assert torch.equal(generator, other)
    for one, more in zip(plain.history, viewed.history, strict=True):
        assert one.loss == more.loss
        assert one.metrics == {name: more.metrics[name] for name in one.metrics}
        assert one.diagnostics == more.diagnostics


def test_every_metric_of_the_kind_is_measured_in_every_view(runs):
    plain, viewed = (run.history[-1].metrics for run, _ in runs)
    kind = [name for name in plain if " " not in name]
    assert list(viewed) == [*plain, *(f"{view}_{name}" for view in BOTH for name in kind)]
    worse = "log_loss" if "log_loss" in plain else "rmse"
    assert viewed[f"robust_{worse}"] > viewed[worse]
    assert viewed[f"noisy_{worse}"] != viewed[worse]
    guess = constant_guess(runs[1][0].bench.task, BOTH)
    assert {guess[f"robust_{name}"] - guess[name] for name in kind} == {0.0}


def test_measuring_twice_with_any_generator_is_the_same_and_dropout_is_off(runs):
    training, _ = runs[1]
    bench, found = training.bench, []
    for seed in (1, 2):
        training.model.train()
        torch.manual_seed(seed)
        found.append(bench.score(training.model, bench.validation, bench.task.validation, RECIPE))
    assert found[0] == found[1] == training.history[-1].metrics


def test_a_ball_without_radius_gives_the_plain_metrics(runs):
    training, _ = runs[1]
    bench = training.bench
    still = attacked(bench.models.tokenizer, FixedAttack(epsilon=0.0))
    output = bench.predict(training.model, bench.validation, answer=still)
    labels, known = bench.task.validation.labels, training.history[-1].metrics
    found = evaluate(bench.task, labels, output)
    assert found == {name: known[name] for name in found}


def test_noise_reaches_the_model_as_other_tokens_of_the_same_rows():
    bench = Bench(reviews_task(), RECIPE, ("noisy",))
    noise = bench._noisy
    assert torch.equal(noise.labels, bench.validation.labels)
    assert noise.inputs["input_ids"].tolist() != bench.validation.inputs["input_ids"].tolist()


def test_rows_without_labels_are_not_scored():
    task = reviews_task()
    bench, secret = Bench(task, RECIPE, BOTH), replace(task.test, labels=np.full(64, -1), labelled=False)
    with pytest.raises(UserError, match="without labels"):
        bench.score(bench.models.build(0).to(bench.device), bench.encode(secret), secret, RECIPE)


def test_views_of_a_metric():
    assert views_of("noisy_macro_f1", ["robust"]) == BOTH
    assert views_of("accuracy") == views_of(None) == ()
    # 3 passes for each train row and 1 for each validation row; 5 forward and 3 backward for the attack, 1 for noise.
    assert told(("robust",), 100, 60).endswith("about 2.3 times as long")  # 1 + 8 * 60 / (300 + 60)
    assert told(BOTH, 500, 300).endswith("about 2.5 times as long")  # 1 + 9 * 300 / 1800
