"""SAM: ``w + rho g / ||g||_2`` with one norm over all weights; the gradient there."""

import pytest
import torch
from helpers.by_hand import bitwise, loss_at, same, slopes_of, spoiled, unmasked
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, watch

from adv import ASAM, SAM, Clean, RandomWeights


@pytest.mark.parametrize("rho", [0.05, 1.0])
def test_a_step_by_hand(rho):
    model, twin = Bag(), Bag()
    batch = unmasked(batch_for(model))
    slopes = slopes_of(model, loss_at(model, batch))
    length = torch.cat([slope.flatten() for slope in slopes.values()]).norm()
    twin.load_state_dict({name: p.detach() + rho * slopes[name] / length for name, p in model.named_parameters()})
    with watch(model) as seen:
        found, loss = gradients(SAM(rho=rho), model, batch)
    for name, p in twin.named_parameters():
        torch.testing.assert_close(seen.passes[-1].weights[name], p.detach(), rtol=1e-4, atol=1e-6)
    assert not torch.equal(seen.passes[-1].weights["output.bias"], model.output.bias)
    torch.testing.assert_close(loss, loss_at(twin, batch).detach())
    same(found, slopes_of(twin, loss_at(twin, batch)))


@pytest.mark.parametrize("family", ["bert", "deberta", "modernbert", "gpt2"])
@pytest.mark.parametrize("rho", [1e-2, 0.5])
def test_the_length_over_all_weights_is_rho(family, rho):
    model = build(family)
    batch = batch_for(model)
    with watch(model) as seen:
        SAM(rho=rho).backward(model, batch)
    first, last = (seen.passes[i].weights for i in (0, -1))
    total = torch.cat([(last[name].double() - first[name].double()).flatten() for name in first]).norm()
    assert float(total) == pytest.approx(rho, rel=1e-3)


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_radius_of_zero_is_clean_training_bit_for_bit(family):
    model = build(family)
    batch = batch_for(model)
    bitwise(gradients(SAM(rho=0.0), model, batch)[0], gradients(Clean(), model, batch)[0])


def test_adv_param_chooses_what_moves_and_what_the_norm_is_over():
    model = build("bert")
    with watch(model) as seen:
        SAM(rho=0.1, adv_param="classifier").backward(model, batch_for(model))
    first, last = (seen.passes[i].weights for i in (0, -1))
    moved = {name: float((last[name] - first[name]).norm()) for name in first if not torch.equal(last[name], first[name])}
    assert set(moved) == {"classifier.weight", "classifier.bias"}
    assert sum(length**2 for length in moved.values()) ** 0.5 == pytest.approx(0.1, rel=1e-3)


def test_the_loss_s_scale_does_not_matter():
    """As under a gradient scaler, and for losses so small that a constant in the norm would count."""
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    ends = []
    for scale in (1.0, 1e4, 1e-8):
        with watch(model) as seen:
            SAM(rho=0.1).backward(model, batch, forward=lambda m, b, scale=scale: m(**b).loss * scale)
        ends.append(seen.passes[-1].weights["classifier.weight"])
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_raises_the_loss_and_beats_random_weights_of_the_same_length(rho):
    model, batch = trained_bag()
    everything = torch.cat([p.detach().flatten() for p in model.parameters()]).norm()
    rises, lengths = [], []
    for method in (SAM(rho=rho), RandomWeights(adv_param="", adv_lr=rho / float(everything), adv_eps=1e9)):
        with watch(model) as seen:
            method.backward(model, batch)
        first, last = (seen.passes[i].weights for i in (0, -1))
        lengths.append(torch.cat([(last[name] - first[name]).flatten() for name in first]).norm())
        rises.append(float(seen.losses[-1] - seen.losses[0]))
    torch.testing.assert_close(*lengths, rtol=1e-3, atol=0)
    assert rises[0] > max(0.0, 2 * rises[1])


@pytest.mark.parametrize("kind", [SAM, ASAM])
def test_an_overflow_ends_the_attack_of_this_step_alone(kind):
    model = Bag()
    batch = batch_for(model)
    method = kind(rho=0.1)
    with spoiled(model, 1), watch(model) as seen:
        method.backward(model, batch)
    bitwise(seen.passes[-1].weights, seen.passes[0].weights)
    assert method.diagnostics()["nonfinite"] == 1
    with watch(model) as seen:
        method.backward(model, batch)
    assert not torch.equal(seen.passes[-1].weights["output.weight"], seen.passes[0].weights["output.weight"])
