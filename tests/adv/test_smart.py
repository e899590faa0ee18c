"""SMART: smoothness in an L-infinity ball, and a proximal term with an averaged teacher."""

import pytest
import torch
from helpers.by_hand import (
    kl,
    logits_at,
    loss_at,
    moves_predictions,
    passes_of,
    same,
    slope_at,
    slopes_of,
    spoiled,
    unmasked,
)
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, state_of, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from adv import SMART, Clean


def mse(target, logits):
    return (target - logits).square().mean()


def odds(target, logits):
    """Kullback-Leibler's divergence of several yes or no answers."""
    p, q = 1 / (1 + (-target).exp()), 1 / (1 + (-logits).exp())
    return (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(-1).mean()


@pytest.mark.parametrize(("distance", "apart"), [("kl", kl), ("bernoulli", odds), ("mse", mse)])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_step_by_hand(count, distance, apart):
    torch.manual_seed(1)
    model, teacher = Bag(), Bag()
    batch = unmasked(batch_for(model))
    settings = {"K": count, "distance": distance, "epsilon": 0.3, "alpha": 0.2, "sigma": 0.1}
    method = SMART(**settings, reg_weight=3.0, teacher_weight=2.0)
    state = {f"teacher.{i}": p.detach() for i, p in enumerate(teacher.parameters())}
    torch.manual_seed(3)
    method.load_state_dict(state)
    with watch(model) as seen:
        loss = method.backward(model, batch)
    of_teacher, clean, noise, *others = seen.passes
    assert torch.equal(of_teacher.weights["embedding.weight"], teacher.embedding.weight)
    assert torch.equal(clean.weights["embedding.weight"], model.embedding.weight)
    assert len(others) == count
    shift, logits = noise.shift, logits_at(model, batch)
    for found in others:
        gradient = slope_at(lambda delta: apart(logits.detach(), logits_at(model, batch, delta)), shift)
        shift = (shift + 0.2 * gradient / gradient.abs().amax(2, keepdim=True)).clamp(-0.3, 0.3)
        torch.testing.assert_close(found.shift, shift, rtol=1e-3, atol=1e-5)
    moved, target = logits_at(model, batch, shift), logits_at(teacher, batch).detach()
    smooth = apart(logits.detach(), moved) + apart(moved.detach(), logits)
    # The paper's loss between predictions goes both ways, for classes; the teacher is a constant.
    proximal = apart(target, logits) if distance == "mse" else apart(target, logits) + apart(logits, target)
    objective = loss_at(model, batch) + 3 * smooth + 2 * proximal
    torch.testing.assert_close(loss, objective.detach())
    found = {name: p.grad for name, p in model.named_parameters()}
    same(found, slopes_of(model, objective), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_the_proximal_term_alone_pulls_both_ways(labels):
    """``sum_c (p_c - t_c) (log p_c - log t_c)``; one way alone its gradient is half as large, near the teacher."""
    torch.manual_seed(2)
    model, teacher = Bag(labels=labels), Bag(labels=labels)
    batch = unmasked(batch_for(model)) | {"labels": torch.tensor([0, 1, 1, 0])}
    near = {name: p.detach() + 0.02 * teacher.get_parameter(name).detach() for name, p in model.named_parameters()}
    teacher.load_state_dict(near)
    method = SMART(reg_weight=0.0, teacher_weight=400.0)
    method.load_state_dict({f"teacher.{i}": p.detach() for i, p in enumerate(teacher.parameters())})
    method.backward(model, batch)

    def predict():
        return logits_at(model, batch).softmax(-1), logits_at(teacher, batch).softmax(-1).detach()

    p, t = predict()
    pull = slopes_of(model, ((p - t) * (p.log() - t.log())).sum(-1).mean())
    p, t = predict()
    one_way = slopes_of(model, (t * (t.log() - p.log())).sum(-1).mean())
    clean = slopes_of(model, loss_at(model, batch))
    found = {name: p.grad for name, p in model.named_parameters()}
    same(found, {name: clean[name] + 400 * pull[name] for name in clean}, rtol=1e-3, atol=1e-5)
    added = found["output.weight"] - clean["output.weight"]
    torch.testing.assert_close(added, 800 * one_way["output.weight"], rtol=0.05, atol=0.02)


@given(
    epsilon=st.floats(0, 3),
    alpha=st.floats(0, 10),
    sigma=st.floats(0, 10),
    count=st.integers(0, 3),
)
@settings(max_examples=25)
def test_no_entry_leaves_the_ball(epsilon, alpha, sigma, count):
    model = Bag()
    batch = batch_for(model)
    for shift in passes_of(SMART(epsilon=epsilon, alpha=alpha, sigma=sigma, K=count), model, batch):
        assert shift.abs().max() <= epsilon + 1e-6
        assert not shift[batch["attention_mask"] == 0].any()


def test_the_smoothness_does_not_depend_on_labels():
    model = build("bert")
    batch = batch_for(model)
    method = SMART(epsilon=0.1, alpha=0.1)
    turned = batch | {"labels": (batch["labels"] + 1) % 3}
    shifts, apart = [], []
    for one in (batch, turned):
        torch.manual_seed(3)
        clean = Clean().backward(model, one)
        method.load_state_dict({})
        shifts.append(passes_of(method, model, one)[-1])
        apart.append(gradients(method, model, one)[1] - clean)
    assert torch.equal(*shifts)
    assert apart[0] > 1e-3
    torch.testing.assert_close(*apart, rtol=1e-3, atol=1e-5)


def test_without_ball_noise_and_teacher_nothing_is_added():
    model = build("bert")
    batch = batch_for(model)
    expected, loss = gradients(Clean(), model, batch)
    found, objective = gradients(SMART(epsilon=0.0, sigma=0.0, teacher_weight=0.0), model, batch)
    torch.testing.assert_close(objective, loss, rtol=0, atol=1e-6)
    same(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_at_the_teacher_the_proximal_term_is_zero(family):
    """As in the first step; dropout masks are those of the student."""
    model = build(family)
    batch = batch_for(model)
    without, expected = gradients(SMART(teacher_weight=0.0), model, batch)
    found, loss = gradients(SMART(teacher_weight=100.0), model, batch)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-4)
    same(found, without, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("beta", [0.0, 0.7, 0.99, 1.0])
def test_the_teacher_is_the_running_mean_of_the_weights(beta):
    model = Bag()
    batch = batch_for(model)
    method = SMART(beta=beta)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    expected = [p.detach().clone() for p in model.parameters()]
    for _ in range(3):
        optimizer.zero_grad()
        method.backward(model, batch)
        optimizer.step()
        method.after_step(model)
        expected = [beta * old + (1 - beta) * p.detach() for old, p in zip(expected, model.parameters(), strict=True)]
        found = [method.state_dict()[f"teacher.{i}"] for i in range(len(expected))]
        for one, other in zip(found, expected, strict=True):
            assert not one.requires_grad
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
            assert beta < 1 or torch.equal(one, other)


def test_a_resumed_run_goes_on_with_its_teacher():
    model = build("bert")
    batch = batch_for(model)
    one, other = SMART(), SMART()
    one.backward(model, batch)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.01)
    one.after_step(model)
    other.load_state_dict(one.state_dict())
    before = state_of(model)
    results = []
    for method in (one, other):
        torch.manual_seed(3)
        results.append(method.backward(model, batch))
    assert torch.equal(*results)
    assert state_of(model) == before
    kept = one.state_dict()["teacher.0"].clone()
    other.after_step(model)
    assert torch.equal(one.state_dict()["teacher.0"], kept)
    assert not torch.equal(other.state_dict()["teacher.0"], kept)
    other.load_state_dict({})
    assert other.state_dict() == {}


def test_a_method_without_teacher_keeps_none():
    model = Bag()
    method = SMART(teacher_weight=0.0)
    method.backward(model, batch_for(model))
    method.after_step(model)
    assert set(method.state_dict()) == {"drawn"}


@pytest.mark.parametrize("count", [1, 3])
def test_moves_predictions_and_beats_a_random_direction(count):
    model, batch = trained_bag()
    shift = passes_of(SMART(epsilon=0.1, alpha=0.1, sigma=1e-3, K=count), model, batch)[-1]
    assert moves_predictions(model, batch, shift)


def test_an_overflow_leaves_the_teacher_finite():
    model = Bag()
    batch = batch_for(model)
    method = SMART(epsilon=0.1, alpha=0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with spoiled(model, 3), watch(model) as seen:  # after the teacher's and the clean pass
        method.backward(model, batch)
    assert not seen.shift.any()
    assert method.diagnostics()["nonfinite"] == 1
    optimizer.step()
    method.after_step(model)
    assert all(value.isfinite().all() for value in method.state_dict().values())
