"""R3F: ``J + reg_weight * (KL(f(e) || f(e + z)) + KL(f(e + z) || f(e)))``, z noise, no ascent."""

import pytest
import torch
from helpers.by_hand import bitwise, kl, logits_at, loss_at, passes_of, same, slopes_of, unmasked
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from adv import R3F, Clean


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_a_step_by_hand(noise):
    """Both predictions have gradients; the embedding matrix has none from the noisy pass."""
    model = Bag()
    batch = unmasked(batch_for(model))
    with watch(model) as seen:
        found, loss = gradients(R3F(sigma=0.5, reg_weight=3.0, noise=noise), model, batch)
    clean, shift = (one.shift for one in seen.passes)
    assert not clean.any()
    embedded = model.embedding(batch["input_ids"])
    logits, moved = logits_at(model, batch), model.output((embedded.detach() + shift).mean(1))
    objective = loss_at(model, batch) + 3 * (kl(logits, moved) + kl(moved, logits))
    torch.testing.assert_close(loss, objective.detach())
    same(found, slopes_of(model, objective))
    whole = logits_at(model, batch, shift)
    logits = logits_at(model, batch)
    joined = slopes_of(model, loss_at(model, batch) + 3 * (kl(logits, whole) + kl(whole, logits)))
    assert not torch.allclose(joined["embedding.weight"], found["embedding.weight"], atol=1e-4)


@given(sigma=st.floats(0, 10), noise=st.sampled_from(["uniform", "normal"]), seed=st.integers(0, 100))
@settings(max_examples=25)
def test_uniform_noise_is_bounded_and_padding_has_none(sigma, noise, seed):
    model = Bag()
    batch = batch_for(model)
    shift = passes_of(R3F(sigma=sigma, noise=noise), model, batch, seed)[-1]
    assert not shift[batch["attention_mask"] == 0].any()
    assert shift.abs().max() <= (sigma if noise == "uniform" else 6 * sigma) + 1e-6


@pytest.mark.parametrize(("noise", "deviation", "top"), [("uniform", 0.2 / 3**0.5, 0.2), ("normal", 0.2, 0.8)])
def test_the_noise_has_its_distribution(noise, deviation, top):
    model = Bag(hidden=256)
    shift = passes_of(R3F(sigma=0.2, noise=noise), model, unmasked(batch_for(model)))[-1]
    assert shift.std() == pytest.approx(deviation, rel=0.02)
    assert shift.mean().abs() < 0.01
    assert shift.abs().max() == pytest.approx(top, rel=0.2)
    if noise == "uniform":
        assert 0.19 < shift.abs().max() <= 0.2 + 1e-6


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_weight_of_zero_is_clean_training(family):
    model = build(family)
    batch = batch_for(model)
    expected, loss = gradients(Clean(), model, batch)
    found, objective = gradients(R3F(reg_weight=0.0, sigma=0.5), model, batch)
    assert torch.equal(objective, loss)
    bitwise(found, expected)


def test_without_noise_predictions_do_not_differ():
    model = build("bert")
    batch = batch_for(model)
    clean = gradients(Clean(), model, batch)[1]
    apart = gradients(R3F(sigma=0.0), model, batch)[1] - clean
    assert abs(float(apart)) <= 1e-6


def test_masks_of_its_own_make_it_r_drop():
    """With a small sigma the divergence is then that of two dropout masks."""
    model = build("bert")
    batch = batch_for(model)
    clean = gradients(Clean(), model, batch)[1]
    apart = [gradients(R3F(same_dropout=same), model, batch)[1] - clean for same in (True, False)]
    assert apart[0] < 1e-6 < 1e-5 < apart[1]


def test_the_noise_is_new_in_every_step():
    model = Bag()
    batch = batch_for(model)
    method = R3F(sigma=1.0)
    one, other = (passes_of(method, model, batch)[-1].flatten() for _ in range(2))
    assert torch.nn.functional.cosine_similarity(one, other, dim=0).abs() < 0.5
