"""Gradients that are not finite: no perturbation in that step, nothing spoiled, and the loss scaler is told."""

import math

import pytest
import torch
from helpers.loss_scales import INNER, scaler_of, times
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import ACCUMULATING, ATTACKS, ON_WEIGHTS, REGULARISED, gradients, having, made, state_of, watch

from adv import METHODS, Precision

every_attack = pytest.mark.parametrize("name", ATTACKS)


class Faulty(Bag):
    """The gradient at the embeddings is not finite in some passes; the loss and its other gradients are."""

    def __init__(self, fault, passes):
        super().__init__(dropout=0.1)
        self.fault, self.faulty, self.passes = fault, passes, 0

    def forward(self, input_ids, labels, attention_mask=None):
        self.passes += 1
        if self.passes in self.faulty:
            handle = self.dropout.register_forward_pre_hook(lambda module, args: args[0].register_hook(self.spoil) and None)
            try:
                return super().forward(input_ids, labels)
            finally:
                handle.remove()
        return super().forward(input_ids, labels)

    def spoil(self, gradient):
        gradient = gradient.clone()
        gradient[0, 0, 0] = self.fault
        return gradient


def faulty_passes(name, model):
    """A method that does not train in its inner passes, and the passes whose fault it must notice."""
    settings = {"combine": "replace"} if name in having("combine") else {}
    if name in REGULARISED:
        first = 3 if name == "smart" else 2  # the teacher's pass, the clean one
        return made(name, model, K=2), (first, first + 1)
    steps = next((steps for steps in ("adv_step", "K") if name in having(steps)), None)
    method = made(name, model, **settings, **({} if steps is None else {steps: 3}))
    passes = (1, 2, 3) if steps else (1,)
    return method, passes[1:] if name == "creat" else passes  # its clean pass gives no direction


NOTICING = [*INNER, "fgsm", "random", *(name for name in REGULARISED if name != "r3f")]


@pytest.mark.parametrize("name", NOTICING)
@pytest.mark.parametrize("fault", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_gives_no_perturbation_and_is_counted(name, fault):
    method, passes = faulty_passes(name, Faulty(fault, {}))
    for faulty in passes:
        model = Faulty(fault, {faulty})
        batch = batch_for(model)
        before = state_of(model)
        with watch(model) as seen:
            found, _ = gradients(method, model, batch)
        assert not seen.shift.any()
        assert all(torch.equal(seen.passes[-1].weights[key], p) for key, p in model.named_parameters())
        report = method.diagnostics()
        assert (report["nonfinite"], report["attacked"], report["gap"]) == (1, 1, 0)
        assert all(math.isfinite(value) for value in report.values())
        assert state_of(model) == before
        clean, _ = gradients(METHODS["none"](), model, batch)
        for key, gradient in clean.items():
            torch.testing.assert_close(found[key], gradient, rtol=0, atol=1e-7 if name in REGULARISED else 0)
        with watch(model) as seen:
            method.backward(model, batch)
        assert seen.shift.any() or name in ON_WEIGHTS
        assert seen.losses[-1] != seen.losses[0] or name in REGULARISED
        assert method.diagnostics()["nonfinite"] == 0


@pytest.mark.parametrize("name", [name for name in ACCUMULATING if name != "freeat"])
@pytest.mark.parametrize("fault", [math.inf, math.nan])
def test_where_every_pass_trains_later_ones_are_unperturbed(name, fault):
    """The pass itself spoils its weights' gradient, as in any loop; what follows it must not be perturbed by it."""
    method = made(name, Faulty(fault, {}), K=3)
    for faulty in (1, 2):
        model = Faulty(fault, {faulty})
        with watch(model) as seen:
            method.backward(model, batch_for(model))
        assert not seen.whole[faulty].shift.any()
        assert not seen.shift.any()
        assert method.diagnostics()["nonfinite"] == 1
        assert all(torch.isfinite(value).all() for value in method.state_dict().values())


@pytest.mark.parametrize("name", NOTICING)
def test_a_scaler_learns_of_an_overflow_that_only_an_inner_pass_had(name):
    method, passes = faulty_passes(name, Faulty(math.inf, {}))
    for faulty in passes:
        for enabled in (True, False):
            model = Faulty(math.inf, {faulty})
            scaler = scaler_of(1024.0, enabled=enabled)
            before = state_of(model)["weights"]
            method.load_state_dict({})
            method.backward(model, batch_for(model), precision=Precision(scaler=scaler))
            scaler.step(torch.optim.SGD(model.parameters(), lr=0.1))
            scaler.update()
            assert scaler.get_scale() == (512.0 if enabled else 1.0)
            assert (state_of(model)["weights"] == before) == enabled
            assert all(torch.isfinite(p).all() for p in model.parameters())


@every_attack
def test_a_loss_that_is_not_finite_does_not_spoil_the_diagnostics_of_the_epoch(name):
    model = build("bert")
    batch = batch_for(model)
    method = METHODS[name]()
    method.backward(model, batch)
    method.backward(model, batch, forward=times(math.inf))
    report = method.diagnostics()
    assert report["attacked"] == 2
    assert report["nonfinite"] == (0 if name == "neftune" else 1)
    assert all(math.isfinite(value) for value in report.values())


def test_yopo_counts_a_fault_in_a_pass_through_the_first_layer_alone():
    model = Faulty(math.inf, {2})
    method = made("yopo", model, K=1, n=2)
    with watch(model) as seen:
        found, _ = gradients(method, model, batch_for(model))
    assert len(seen.passes) == 3
    assert not seen.shift.any()
    assert method.diagnostics()["nonfinite"] == 1
    assert all(torch.isfinite(gradient).all() for gradient in found.values())
