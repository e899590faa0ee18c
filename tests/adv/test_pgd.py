"""PGD: K normalised steps, each projected onto the ball."""

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, watch

from adv import FGM, PGD

NORMS = ["matrix", "example", "token"]


def shifts_of(method, model, batch):
    """The perturbation in each pass."""
    torch.manual_seed(3)
    with watch(model) as seen:
        method.backward(model, batch)
    return [one.shift for one in seen.passes]


def lengths(shift, norm, batch):
    """By hand; equal tokens are one row under "matrix"."""
    if norm == "token":
        return shift.norm(dim=2)
    if norm == "example":
        return shift.flatten(1).norm(dim=1)
    real = batch["attention_mask"].bool()
    ids, where = batch["input_ids"][real].unique(return_inverse=True)
    return torch.zeros(len(ids), shift.shape[-1]).index_copy(0, where, shift[real]).norm()


def test_two_steps_by_hand():
    """``delta <- Pi(delta + alpha g / ||g||)`` for each example, the second step from where the first one led."""
    model = Bag()
    batch = batch_for(model)
    del batch["attention_mask"]
    embedded = model.embedding(batch["input_ids"]).detach()
    shift = torch.zeros_like(embedded)
    expected = [shift]
    for _ in range(2):
        gradient = model.slopes(embedded + shift, batch["labels"])[0].detach()
        shift = shift + 0.6 * gradient / gradient.flatten(1).norm(dim=1)[:, None, None]
        length = shift.flatten(1).norm(dim=1)[:, None, None]
        shift = torch.where(length > 1.0, shift / length, shift)
        expected.append(shift)
    found = shifts_of(PGD(epsilon=1.0, alpha=0.6, K=2, norm="example"), model, batch)
    assert len(found) == 3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(expected[1] / 0.6, expected[2], atol=1e-3)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
@pytest.mark.parametrize("norm", NORMS)
def test_stays_in_the_ball_after_every_step(family, norm):
    model = build(family)
    batch = batch_for(model)
    shifts = shifts_of(PGD(epsilon=0.5, alpha=0.3, K=4, norm=norm), model, batch)
    assert not shifts[0].any()
    assert all((lengths(shift, norm, batch) <= 0.5 * (1 + 1e-5)).all() for shift in shifts)
    assert not torch.allclose(shifts[-1], shifts[-2])


@pytest.mark.parametrize("norm", NORMS)
def test_one_step_of_epsilon_is_fgm(norm):
    model = build("bert")
    batch = batch_for(model)
    expected, _ = gradients(FGM(epsilon=0.3, norm=norm), model, batch)
    found, _ = gradients(PGD(epsilon=0.3, alpha=0.3, K=1, norm=norm), model, batch)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("norm", NORMS)
def test_epsilon_is_idle_beyond_the_reach_and_not_within(norm):
    model = build("bert")
    batch = batch_for(model)
    inside, far, tight = (
        gradients(PGD(epsilon=epsilon, alpha=0.3, K=3, norm=norm), model, batch)[0] for epsilon in (0.9001, 50.0, 0.1)
    )
    assert all(torch.equal(inside[name], gradient) for name, gradient in far.items())
    assert not any(torch.equal(tight[name], inside[name]) for name in ("classifier.weight", "classifier.bias"))


def test_alpha_zero_is_clean_training():
    model = build("bert")
    batch = batch_for(model)
    clean, _ = gradients(PGD(epsilon=0.0), model, batch)
    found, _ = gradients(PGD(alpha=0.0), model, batch)
    assert all(torch.equal(found[name], gradient) for name, gradient in clean.items())


def test_more_steps_of_the_same_reach_find_a_higher_loss():
    """On a loss that is convex in the perturbation, at a fixed radius, every further step gains."""
    model, batch = trained_bag()
    gained = []
    for steps in (1, 2, 4):
        with watch(model) as seen:
            PGD(epsilon=2.0, alpha=2.0, K=steps, norm="example").backward(model, batch)
        gained.append(float(seen.losses[-1]))
        losses = list(map(float, seen.losses))
        assert losses == sorted(losses)
    assert gained[0] < gained[1] <= gained[2]


def test_the_middle_passes_leave_no_gradient_behind():
    """With "sum", the gradient less the clean one is that of the last pass alone."""
    model = build("bert")
    batch = batch_for(model)
    joined, _ = gradients(PGD(combine="sum", K=3), model, batch)
    last, _ = gradients(PGD(combine="replace", K=3), model, batch)
    clean, _ = gradients(PGD(epsilon=0.0, combine="replace"), model, batch)
    for name, gradient in joined.items():
        torch.testing.assert_close(gradient, clean[name] + last[name], rtol=1e-3, atol=1e-6)
