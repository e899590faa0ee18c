"""The listing's gradients, from the listing's own rules, on nine families; only how they are computed differs."""

from functools import cache

import pytest
import torch
from helpers import seed_listing as listing
from helpers.tiny_models import FAMILIES, batch_for, build
from helpers.watched_steps import gradients

from adv import AWP, FGM, PGD


@cache
def model_of(family):
    return build(family, dropout=0.0)


def batch_of(family):
    return batch_for(model_of(family), "left" if family == "xlnet" else "right")


def assert_same(found, expected):
    """The relative difference over all parameters."""
    assert found.keys() == expected.keys()
    apart = sum(float((found[name] - gradient).square().sum()) for name, gradient in expected.items())
    whole = sum(float(gradient.square().sum()) for gradient in expected.values())
    assert whole > 0
    assert (apart / whole) ** 0.5 < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("epsilon", [1.0, 0.05])
def test_fgm(family, epsilon):
    model, batch = model_of(family), batch_of(family)
    expected = listing.fgm(model, batch, model.get_input_embeddings().weight, epsilon)
    found, _ = gradients(FGM(combine="sum", epsilon=epsilon), model, batch)
    assert_same(found, expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("epsilon", "alpha", "K"), [(1.0, 0.3, 3), (0.4, 0.3, 3), (0.05, 0.3, 1), (0.1, 0.3, 2)])
def test_pgd_with_the_ball_reached_and_not(family, epsilon, alpha, K):
    model, batch = model_of(family), batch_of(family)
    expected = listing.pgd(model, batch, model.get_input_embeddings().weight, epsilon, alpha, K)
    method = PGD(combine="sum", epsilon=epsilon, alpha=alpha, K=K)
    found, _ = gradients(method, model, batch)
    assert_same(found, expected)
    if epsilon != 0.4:
        assert method.diagnostics()["clipped"] == (alpha > epsilon)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("adv_lr", "adv_eps", "adv_step"), [(1.0, 0.2, 1), (0.01, 0.2, 2), (0.1, 0.01, 3)])
def test_awp(family, adv_lr, adv_eps, adv_step):
    model, batch = model_of(family), batch_of(family)
    expected = listing.awp(model, batch, adv_lr, adv_eps, adv_step)
    found, _ = gradients(AWP(adv_lr=adv_lr, adv_eps=adv_eps, adv_step=adv_step), model, batch)
    assert_same(found, expected)


@pytest.mark.parametrize("adv_step", [1, 2])
def test_awp_on_a_tied_language_model(adv_step):
    model = build("gpt2", dropout=0.0, head="LMHeadModel")
    batch = batch_for(model)
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    expected = listing.awp(model, batch, 0.1, 0.05, adv_step)
    found, _ = gradients(AWP(adv_lr=0.1, adv_eps=0.05, adv_step=adv_step), model, batch)
    assert_same(found, expected)


def test_the_oracles_leave_the_model_as_it_was():
    model, batch = model_of("bert"), batch_of("bert")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    matrix = model.get_input_embeddings().weight
    results = [
        listing.fgm(model, batch, matrix, 1.0),
        listing.pgd(model, batch, matrix, 1.0, 0.3, 3),
        listing.awp(model, batch, 1.0, 0.2, 2),
    ]
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert not torch.equal(results[0]["classifier.weight"], results[1]["classifier.weight"])
