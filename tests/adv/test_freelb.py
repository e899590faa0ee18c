"""FreeLB: K passes at delta_0, delta_1, ...; the gradient is their mean, one optimiser step."""

import pytest
import torch
from helpers.by_hand import (
    ascend,
    bitwise,
    inside,
    lengths,
    loss_at,
    passes_of,
    raises_loss,
    same,
    slopes_of,
    spoiled,
    unmasked,
)
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from adv import Clean, FreeLB, NEFTune


@pytest.mark.parametrize(("init_mag", "epsilon"), [(0.0, 0.6), (0.5, 0.6), (2.0, 0.3)])
def test_three_passes_by_hand(init_mag, epsilon):
    model = Bag()
    batch = unmasked(batch_for(model))
    method = FreeLB(K=3, alpha=0.4, epsilon=epsilon, init_mag=init_mag)
    with watch(model) as seen:
        found, loss = gradients(method, model, batch)
    shift = seen.passes[0].shift
    assert shift.any() == bool(init_mag)
    losses, expected = [], []
    for one in seen.passes:
        torch.testing.assert_close(one.shift, shift, rtol=1e-4, atol=1e-6)
        losses.append(loss_at(model, batch, shift))
        expected.append(slopes_of(model, losses[-1]))
        shift = ascend(lambda delta: loss_at(model, batch, delta), shift, 0.4, epsilon)
    assert len(losses) == 3
    same(found, {name: sum(one[name] for one in expected) / 3 for name in found})
    torch.testing.assert_close(loss, sum(losses).detach() / 3)


@pytest.mark.parametrize("family", ["bert", "deberta"])
def test_one_pass_from_zero_is_clean_training_bit_for_bit(family):
    model = build(family)
    batch = batch_for(model)
    expected, _ = gradients(Clean(), model, batch)
    found, _ = gradients(FreeLB(K=1, init_mag=0.0), model, batch)
    bitwise(found, expected)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_steps_of_length_zero_from_zero_are_clean_training(count):
    """0 / 0 in code in circulation."""
    model = build("bert")
    batch = batch_for(model)
    expected, _ = gradients(Clean(), model, batch)
    for epsilon in (0.0, 0.1):
        found, _ = gradients(FreeLB(K=count, init_mag=0.0, alpha=0.0, epsilon=epsilon), model, batch)
        same(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [0.1, 5.0])
def test_one_pass_from_noise_is_neftune(size):
    model = build("bert")
    batch = batch_for(model)
    expected, _ = gradients(NEFTune(sigma=size), model, batch)
    found, _ = gradients(FreeLB(K=1, init_mag=size, epsilon=100.0), model, batch)
    bitwise(found, expected)
    clean, _ = gradients(Clean(), model, batch)
    assert not torch.equal(found["classifier.weight"], clean["classifier.weight"])


def test_the_start_is_uniform_with_the_text_s_own_length():
    model = Bag(hidden=256)
    batch = batch_for(model)
    (shift,) = passes_of(FreeLB(K=1, init_mag=0.6, epsilon=100.0), model, batch)
    sizes = batch["attention_mask"].sum(1)[:, None, None]
    bound = 0.6 / (sizes * 256) ** 0.5
    assert (shift.abs() <= bound + 1e-6).all()
    assert (shift.abs().amax((1, 2)) > 0.99 * bound.flatten()).all()
    torch.testing.assert_close(lengths(shift), torch.full((4, 1, 1), 0.6 / 3**0.5), rtol=0.1, atol=0)


@given(
    epsilon=st.floats(1e-3, 5),
    alpha=st.floats(0, 10),
    init_mag=st.floats(0, 10),
    count=st.integers(1, 5),
    norm=st.sampled_from(["example", "token"]),
)
@settings(max_examples=25)
def test_stays_in_the_ball_and_off_the_padding_in_every_pass(epsilon, alpha, init_mag, count, norm):
    model = Bag()
    batch = batch_for(model, "left")
    shifts = passes_of(FreeLB(epsilon=epsilon, alpha=alpha, init_mag=init_mag, K=count, norm=norm), model, batch)
    assert len(shifts) == count
    for shift in shifts:
        assert inside(shift, epsilon, norm)
        assert not shift[batch["attention_mask"] == 0].any()


def test_texts_do_not_see_each_other():
    model = Bag()
    batch = batch_for(model)
    order = torch.tensor([2, 0, 3, 1])
    method = FreeLB(init_mag=0.0)
    plain = passes_of(method, model, batch)
    turned = passes_of(method, model, {key: value[order] for key, value in batch.items()})
    for one, other in zip(plain, turned, strict=True):
        torch.testing.assert_close(one[order], other)


@pytest.mark.parametrize("init_mag", [0.0, 0.1])
def test_raises_the_loss_and_beats_a_random_direction(init_mag):
    model, batch = trained_bag()
    shifts = passes_of(FreeLB(alpha=0.2, epsilon=0.5, init_mag=init_mag), model, batch)
    losses = [float(loss_at(model, batch, shift).detach()) for shift in shifts]
    assert losses == sorted(losses)
    assert raises_loss(model, batch, shifts[-1])


@pytest.mark.parametrize("bad", [1, 2])
def test_an_overflow_ends_the_attack_of_this_step_alone(bad):
    model = Bag()
    batch = batch_for(model)
    method = FreeLB(init_mag=0.0)
    expected = passes_of(method, model, batch)
    method.diagnostics()
    with spoiled(model, bad):
        assert not passes_of(method, model, batch)[-1].any()
    assert method.diagnostics()["nonfinite"] == 1
    assert all(torch.equal(one, other) for one, other in zip(passes_of(method, model, batch), expected, strict=True))
