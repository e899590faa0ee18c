"""AWP's other forms: the paper's gamma, several steps, and momentum's direction; against the equations, by hand."""

import pytest
import torch
from helpers.by_hand import MATRICES, bitwise, loss_at, moved, same, slopes_of, unmasked, weight_step
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, state_of, watch

from adv import AWP, SAM, AttackError, Clean, SettingError


def weights_of(seen):
    return [one.weights for one in seen.passes]


@pytest.mark.parametrize(("adv_lr", "adv_eps"), [(0.1, 0.05), (0.02, 0.5), (0.02, 0.03)])
@pytest.mark.parametrize("adv_step", [2, 3])
def test_each_step_has_a_fresh_gradient(adv_step, adv_lr, adv_eps):
    model = Bag()
    batch = unmasked(batch_for(model))
    twin = model
    with watch(model) as seen:
        found, loss = gradients(AWP(adv_lr=adv_lr, adv_eps=adv_eps, adv_step=adv_step), model, batch)
    for weights in weights_of(seen)[1:]:
        twin = moved(model, weight_step(model, twin, slopes_of(twin, loss_at(twin, batch)), adv_lr, adv_eps))
        for name in MATRICES:
            torch.testing.assert_close(weights[name], twin.get_parameter(name).detach(), rtol=1e-4, atol=1e-6)
    assert len(seen.passes) == adv_step + 1
    torch.testing.assert_close(loss, loss_at(twin, batch).detach())
    same(found, slopes_of(twin, loss_at(twin, batch)))


def test_the_paper_s_step_is_gamma_of_each_matrix_and_has_no_box():
    model = Bag()
    batch = unmasked(batch_for(model))
    method = AWP(form="gamma", adv_lr=0.1, adv_eps=1e-6)
    with watch(model) as seen:
        found, _ = gradients(method, model, batch)
    twin = moved(model, weight_step(model, model, slopes_of(model, loss_at(model, batch)), 0.1))
    for name in MATRICES:
        torch.testing.assert_close(seen.passes[-1].weights[name], twin.get_parameter(name).detach(), rtol=1e-4, atol=1e-6)
    same(found, slopes_of(twin, loss_at(twin, batch)))
    assert "clipped" not in method.diagnostics()


def test_the_paper_s_step_leaves_vectors_alone():
    model = build("bert")
    with watch(model) as seen:
        AWP(form="gamma", adv_lr=0.01).backward(model, batch_for(model))
    first, last = weights_of(seen)
    for name in first:
        size = float((last[name] - first[name]).norm() / first[name].norm().clamp_min(1e-30))
        matrix = name.endswith("weight") and first[name].dim() > 1
        assert size == pytest.approx(0.01 if matrix else 0.0, rel=1e-3), name


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_on_one_matrix_gamma_is_sam(family):
    model = build(family)
    batch = batch_for(model)
    name = "classifier.weight"
    rho = 0.1 * float(model.get_parameter(name).detach().norm())
    expected, _ = gradients(SAM(adv_param=f"^{name}$", rho=rho), model, batch)
    found, _ = gradients(AWP(form="gamma", adv_lr=0.1, adv_param=f"^{name}$"), model, batch)
    same(found, expected, rtol=1e-4, atol=1e-7)
    clean, _ = gradients(Clean(), model, batch)
    assert not torch.allclose(clean[name], found[name], rtol=1e-3)


@pytest.mark.parametrize("combine", ["replace", "mean", "sum"])
def test_momentum_s_direction_is_the_optimiser_s(combine):
    """AdamW's ``exp_avg`` after real steps; one forward and one backward, or two of each where gradients are joined."""
    model = Bag()
    batch, other = batch_for(model), batch_for(model, "left")
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    method = AWP(direction="momentum", adv_lr=0.1, adv_eps=0.05, combine=combine)
    method.follow(optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        Clean().backward(model, other)
        optimizer.step()
    means = {name: optimizer.state[p]["exp_avg"].clone() for name, p in model.named_parameters()}
    before = state_of(model)
    with watch(model) as seen:
        found, _ = gradients(method, model, batch)
    twin = moved(model, weight_step(model, model, means, 0.1, 0.05))
    for name in MATRICES:
        torch.testing.assert_close(seen.passes[-1].weights[name], twin.get_parameter(name).detach(), rtol=1e-4, atol=1e-6)
    clean, at = slopes_of(model, loss_at(model, batch)), slopes_of(twin, loss_at(twin, batch))
    shares = {"replace": (0, 1), "mean": (0.5, 0.5), "sum": (1, 1)}[combine]
    same(found, {name: shares[0] * clean[name] + shares[1] * at[name] for name in clean})
    passes = 1 if combine == "replace" else 2
    assert [one.backwards for one in seen.passes] == [1] * passes
    assert method.cost()[:3] == (passes, passes, 0)
    assert state_of(model) == before
    assert all(torch.equal(optimizer.state[p]["exp_avg"], means[name]) for name, p in model.named_parameters())


def test_before_the_first_optimiser_step_momentum_is_clean():
    model = build("bert")
    batch = batch_for(model)
    method = AWP(direction="momentum")
    method.follow(torch.optim.AdamW(model.parameters()))
    bitwise(gradients(method, model, batch)[0], gradients(Clean(), model, batch)[0])


def test_momentum_that_is_not_there_is_an_error():
    model = Bag()
    batch = batch_for(model)
    method = AWP(direction="momentum")
    with pytest.raises(AttackError, match=r"reads the optimiser: call method.follow\(optimizer\) once before training"):
        method.backward(model, batch)
    for optimizer in (
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        torch.optim.RMSprop(model.parameters()),
    ):
        Clean().backward(model, batch)
        optimizer.step()
        method.follow(optimizer)
        with pytest.raises(AttackError, match=f"exp_avg.; {type(optimizer).__name__} has none: use AdamW"):
            method.backward(model, batch)
    with pytest.raises(SettingError, match=r"adv_step must be 1 with direction=momentum .*, but is 2"):
        AWP(direction="momentum", adv_step=2)
