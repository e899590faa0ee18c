"""One optimiser step: what enters it, how far it goes, what decays."""

import numpy as np
import pytest
import torch
from helpers.small_tasks import reviews_task
from torch import nn

from adv import AWP, FGM, Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.groups import adamw
from finetune.training.loop import Training

ROWS = 24
NO_CLIPPING = 1e9


@pytest.fixture(scope="module")
def bench():
    task = reviews_task()
    made = Bench(task, Recipe())
    made.train = made.encode(task.train.take(np.arange(ROWS)))
    return made


def first_moments(bench, method, **options):
    """AdamW's mean gradient after one step over all rows, without dropout: a tenth of the (clipped) gradient."""
    recipe = Recipe(epochs=1, **({"max_grad_norm": NO_CLIPPING} | options))
    training = Training(bench, recipe, method)
    for module in training.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    list(training.epochs())
    states = training.optimiser.state_dict()["state"].values()
    assert {int(state["step"]) for state in states} == {1}
    return torch.cat([state["exp_avg"].flatten() for state in states])


@pytest.mark.parametrize("method", [Clean(), FGM(norm="example"), FGM(norm="token", combine="sum")])
@pytest.mark.parametrize(("size", "accumulation"), [(12, 2), (8, 3), (7, 4), (1, ROWS)])
def test_accumulation_gives_the_gradient_of_one_large_batch(bench, method, size, accumulation):
    whole = first_moments(bench, method, batch_size=ROWS)
    parts = first_moments(bench, method, batch_size=size, gradient_accumulation=accumulation)
    assert whole.norm() > 0.01
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", [Clean(), AWP(combine="mean")])
def test_shares_of_micro_batches_add_up_by_hand(bench, method):
    model = bench.models.build(0).to(bench.device).eval()
    index = np.arange(16)
    method.backward(model, bench.train.batch(index, bench.device))
    whole = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    for _ in range(2):
        method.backward(model, bench.train.batch(index, bench.device), share=0.5)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, whole[name], rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_to_the_norm(bench):
    free, clipped = (first_moments(bench, Clean(), batch_size=ROWS, max_grad_norm=norm) for norm in (NO_CLIPPING, 0.01))
    assert clipped.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)
    torch.testing.assert_close(clipped / clipped.norm(), free / free.norm(), rtol=1e-3, atol=1e-6)


def test_fp16_clips_gradients_not_their_scaled_copies(bench):
    options = {"batch_size": ROWS, "max_grad_norm": 0.01}
    recipe = Recipe(epochs=1, precision="fp16", **options)
    training = Training(bench, recipe, Clean())
    training.precision.scaler.load_state_dict(training.precision.scaler.state_dict() | {"scale": 128.0})
    list(training.epochs())
    moments = torch.cat([state["exp_avg"].flatten() for state in training.optimiser.state_dict()["state"].values()])
    assert moments.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-2)


def test_biases_and_norms_do_not_decay(bench):
    recipe = Recipe(learning_rate=0.1, weight_decay=0.5)
    model = bench.models.build(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = adamw(model, recipe)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    assert {p.dim() for p in model.parameters()} == {1, 2}
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (0.95 if p.dim() > 1 else 1))


def test_frozen_weights_are_left_out(bench):
    model = bench.models.build(0)
    model.get_input_embeddings().weight.requires_grad_(False)
    held = [p for group in adamw(model, Recipe()).param_groups for p in group["params"]]
    assert sorted(map(id, held)) == sorted(id(p) for p in model.parameters() if p.requires_grad)
