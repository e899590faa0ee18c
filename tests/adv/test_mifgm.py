"""MI-FGSM: ``v <- mu v + g / ||g||_1``, ``delta <- Pi(delta + alpha v / ||v||_2)``, v from zero in every step."""

import pytest
import torch
from helpers.by_hand import (
    bitwise,
    inside,
    lengths,
    loss_at,
    passes_of,
    project,
    raises_loss,
    same,
    slope_at,
    spoiled,
    unit,
    unmasked,
)
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients
from hypothesis import given
from hypothesis import strategies as st

from adv import FGM, MIFGM, PGD

NORMS = ["matrix", "example", "token"]


@pytest.mark.parametrize("mu", [0.5, 1.0, 3.0])
def test_three_steps_by_hand(mu):
    model = Bag()
    batch = unmasked(batch_for(model))
    shift = velocity = torch.zeros(4, 9, 4)
    expected = [shift]
    for _ in range(3):
        gradient = slope_at(lambda delta: loss_at(model, batch, delta), shift)
        velocity = mu * velocity + gradient / gradient.flatten(1).abs().sum(1)[:, None, None]
        shift = project(shift + 0.8 * unit(velocity), 2.0)
        expected.append(shift)
    method = MIFGM(epsilon=2.0, alpha=0.8, K=3, mu=mu, norm="example")
    for _ in range(2):  # v is not kept from one step to the next
        for one, other in zip(passes_of(method, model, batch), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert lengths(expected[-1]).max() == pytest.approx(2.0)
    plain = passes_of(PGD(epsilon=2.0, alpha=0.8, K=3, norm="example"), model, batch)
    assert not torch.allclose(plain[-1], expected[-1], atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_without_momentum_it_is_pgd_bit_for_bit(family, norm):
    model = build(family)
    batch = batch_for(model)
    expected, loss = gradients(PGD(alpha=0.3, norm=norm), model, batch)
    found, other = gradients(MIFGM(mu=0.0, alpha=0.3, norm=norm), model, batch)
    assert torch.equal(loss, other)
    bitwise(found, expected)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("mu", [0.0, 0.7, 20.0])
def test_one_step_of_epsilon_is_fgm_for_any_momentum(norm, mu):
    model = build("bert")
    batch = batch_for(model)
    expected, _ = gradients(FGM(epsilon=0.3, norm=norm), model, batch)
    found, _ = gradients(MIFGM(epsilon=0.3, alpha=0.3, K=1, mu=mu, norm=norm), model, batch)
    same(found, expected, atol=1e-7)


@given(
    epsilon=st.floats(1e-3, 10),
    alpha=st.floats(1e-3, 10),
    mu=st.floats(0, 5),
    count=st.integers(1, 5),
    norm=st.sampled_from(["example", "token"]),
)
def test_stays_in_the_ball_after_every_step(epsilon, alpha, mu, count, norm):
    model = Bag()
    batch = batch_for(model)
    shifts = passes_of(MIFGM(epsilon=epsilon, alpha=alpha, mu=mu, K=count, norm=norm), model, batch)
    padding = batch["attention_mask"] == 0
    assert len(shifts) == count + 1
    for shift in shifts:
        assert inside(shift, epsilon, norm)
        assert not shift[padding].any()


def test_the_loss_s_scale_does_not_matter():
    """Each gradient is divided by its size before it joins the others."""
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    plain = passes_of(MIFGM(norm="example"), model, batch)
    scaled = passes_of(MIFGM(norm="example"), model, batch, forward=lambda m, b: m(**b).loss * 1000)
    for one, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_raises_the_loss_and_beats_a_random_direction():
    model, batch = trained_bag()
    for mu in (0.5, 1.0):
        shift = passes_of(MIFGM(epsilon=0.5, alpha=0.2, mu=mu, norm="example"), model, batch)[-1]
        assert raises_loss(model, batch, shift)


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_an_overflow_leaves_no_trace_in_the_next_step(bad):
    model = Bag()
    batch = batch_for(model)
    method = MIFGM(norm="example", combine="replace")
    expected = passes_of(method, model, batch)
    method.diagnostics()
    with spoiled(model, bad):
        assert not passes_of(method, model, batch)[-1].any()
    assert method.diagnostics()["nonfinite"] == 1
    for one, other in zip(passes_of(method, model, batch), expected, strict=True):
        assert torch.equal(one, other)
