"""Autocast, loss scaling, overflow and micro-batches: the attack must not depend on how a number is stored."""

import math

import pytest
import torch
from observe import gradients, having, state_of, watch
from tiny import Bag, batch_for, build, grads_of

from adv import FGM, METHODS, PGD, AttackError, Precision

ATTACKS = [name for name in METHODS if name != "none"]
every_attack = pytest.mark.parametrize("name", ATTACKS)


def scaler_of(scale, **options):
    return torch.amp.GradScaler("cpu", init_scale=scale, **options)


def unscaled(model, method, batch, precision):
    """The gradients after ``unscale_``, and the adversarial pass."""
    with watch(model) as seen:
        gradients(method, model, batch, precision=precision)
    precision.scaler.unscale_(torch.optim.SGD(model.parameters(), lr=0.1))
    return grads_of(model), seen.passes[-1]


# Below 4096, fp16 itself loses the smallest gradients of this model.
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("dtype", "low"), [(None, 1.0), (torch.bfloat16, 1.0), (torch.float16, 4096.0)])
def test_the_scale_of_the_loss_changes_nothing(name, dtype, low):
    model = build("bert")
    batch = batch_for(model)
    low, high = (Precision(dtype=dtype, scaler=scaler_of(scale)) for scale in (low, 65536.0))
    expected, at_low = unscaled(model, METHODS[name](), batch, low)
    found, at_high = unscaled(model, METHODS[name](), batch, high)
    torch.testing.assert_close(at_high.shift, at_low.shift, rtol=1e-5, atol=1e-5)
    for weight_name, weight in at_low.weights.items():
        torch.testing.assert_close(at_high.weights[weight_name], weight, rtol=1e-5, atol=1e-5)
    for parameter_name, gradient in expected.items():
        torch.testing.assert_close(found[parameter_name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_reaches_every_pass_and_comes_close_to_fp32(name, dtype):
    model = build("bert")
    batch = batch_for(model)
    method = METHODS[name](**({"epsilon": 0.01} if name in having("epsilon") else {}))
    dtypes = []
    handle = model.classifier.register_forward_hook(lambda module, args, output: dtypes.append(output.dtype))
    precision = Precision(dtype=dtype, scaler=scaler_of(4096.0))
    with watch(model) as seen:
        _, objective = gradients(method, model, batch, precision=precision)
    handle.remove()
    assert dtypes == [dtype] * len(seen.passes) == [dtype] * method.cost().forward
    assert objective.dtype == torch.float32
    _, expected = gradients(method, model, batch)
    torch.testing.assert_close(objective, expected, rtol=0.02, atol=0)
    assert all(p.dtype == torch.float32 and (p.grad is None or p.grad.dtype == p.dtype) for p in model.parameters())


@every_attack
def test_a_loss_too_small_for_fp16_is_scaled_in_every_pass(name):
    """Unscaled, the gradients of this loss vanish in fp16, and a pass that forgets to scale has no direction."""
    model = build("bert")
    batch = batch_for(model)
    small = {"alpha": 0.003} if name in having("alpha") else {"epsilon": 0.01}
    options = small if name in having("epsilon") else {"adv_eps": 0.01}
    moves = []
    for precision in (Precision(), Precision(dtype=torch.float16, scaler=scaler_of(2.0**26))):
        with watch(model) as seen:
            gradients(
                METHODS[name](**options),
                model,
                batch,
                precision=precision,
                forward=lambda m, b: {"loss": m(**b).loss * 1e-6},
            )
        first, last = seen.passes[0], seen.passes[-1]
        weights = [last.weights[key] - first.weights[key] for key in first.weights if "layer.0" in key]
        moves.append(torch.cat([last.shift.flatten(), *(weight.flatten() for weight in weights)]))
    assert (moves[1] - moves[0]).norm() < 0.3 * moves[0].norm()


@every_attack
def test_overflow_gives_a_clean_step_that_the_scaler_skips_and_recovers_from(name):
    """A scale that overflows fp16: no perturbation, no update, half the scale; and so on until it fits."""
    model = build("bert")
    batch = batch_for(model)
    method = METHODS[name]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = scaler_of(2.0**22)
    before = state_of(model)["weights"]
    with watch(model) as seen:
        method.backward(model, batch, precision=Precision(dtype=torch.float16, scaler=scaler))
    assert not seen.shift.any()
    assert seen.losses[0] == seen.losses[-1]
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**21
    assert state_of(model)["weights"] == before
    report = method.diagnostics()
    assert report["nonfinite"] == report["attacked"] == 1
    assert report["gap"] == 0
    for _ in range(8):
        optimizer.zero_grad()
        method.backward(model, batch, precision=Precision(dtype=torch.float16, scaler=scaler))
        scaler.step(optimizer)
        scaler.update()
    report = method.diagnostics()
    assert 0 < report["nonfinite"] < report["attacked"] == 8
    assert all(math.isfinite(value) for value in report.values())
    weights = state_of(model)["weights"]
    assert weights["classifier.weight"] != before["classifier.weight"]
    assert all(torch.isfinite(p).all() for p in model.parameters())


class Faulty(Bag):
    """The gradient at the embeddings is not finite in some passes; the loss and its other gradients are."""

    def __init__(self, fault, passes):
        super().__init__(dropout=0.1)
        self.fault, self.faulty, self.passes = fault, passes, 0

    def forward(self, input_ids, labels, attention_mask=None):
        self.passes += 1
        if self.passes in self.faulty:
            handle = self.dropout.register_forward_pre_hook(lambda module, args: args[0].register_hook(self.spoil) and None)
            output = super().forward(input_ids, labels)
            handle.remove()
            return output
        return super().forward(input_ids, labels)

    def spoil(self, gradient):
        gradient = gradient.clone()
        gradient[0, 0, 0] = self.fault
        return gradient


def faulty_passes(name):
    """A method that does not touch the gradients of its inner passes, and the passes whose fault it must notice."""
    for steps in ("K", "adv_step"):
        if name in having(steps):
            return METHODS[name](combine="replace", **{steps: 3}), (1, 2, 3)
    return METHODS[name](combine="replace"), (1,)


@every_attack
@pytest.mark.parametrize("fault", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_gives_no_perturbation_and_is_counted(name, fault):
    method, passes = faulty_passes(name)
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
        assert all(torch.equal(found[key], gradient) for key, gradient in clean.items())
        with watch(model) as seen:
            method.backward(model, batch)
        assert seen.losses[-1] != seen.losses[0]
        assert method.diagnostics()["nonfinite"] == 0


@every_attack
def test_a_scaler_learns_of_an_overflow_that_only_an_inner_pass_had(name):
    method, passes = faulty_passes(name)
    for faulty in passes:
        for enabled in (True, False):
            model = Faulty(math.inf, {faulty})
            scaler = scaler_of(1024.0, enabled=enabled)
            before = state_of(model)["weights"]
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
    method.backward(model, batch, forward=lambda m, b: m(**b).loss * math.inf)
    report = method.diagnostics()
    assert (report["nonfinite"], report["attacked"]) == (1, 2)
    assert all(math.isfinite(value) for value in report.values())


@pytest.mark.parametrize("norm", ["example", "token"])
@pytest.mark.parametrize("combine", ["mean", "sum", "replace"])
@pytest.mark.parametrize("parts", [(2, 2, 2, 2), (5, 3), (1, 7)])
def test_micro_batches_add_up_to_the_batch(norm, combine, parts):
    model = build("bert", dropout=0.0)
    whole = batch_for(model, size=8)
    for method in (FGM(norm=norm, combine=combine), PGD(norm=norm, combine=combine, epsilon=0.5)):
        expected, _ = gradients(method, model, whole)
        model.zero_grad()
        start = 0
        for size in parts:
            part = {key: value[start : start + size] for key, value in whole.items()}
            method.backward(model, part, precision=Precision(weight=size / 8))
            start += size
        for name, gradient in grads_of(model).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_micro_batch_adds_its_share(name):
    model = build("bert")
    batch = batch_for(model)
    whole, objective = gradients(METHODS[name](), model, batch)
    share, same = gradients(METHODS[name](), model, batch, precision=Precision(weight=0.25))
    torch.testing.assert_close(same, objective)
    for key, gradient in whole.items():
        torch.testing.assert_close(share[key], 0.25 * gradient, rtol=1e-3, atol=1e-6)
    nothing, _ = gradients(METHODS[name](), model, batch, precision=Precision(weight=0.0))
    assert nothing.keys() == whole.keys()
    assert not any(gradient.any() for gradient in nothing.values())


@pytest.mark.parametrize("combine", ["mean", "sum", "replace"])
@pytest.mark.parametrize("scale", [2.0**18, 2.0**19, 2.0**20])
def test_an_overflow_in_an_inner_pass_reaches_the_scaler(combine, scale):
    """Otherwise the scale stays where the middle passes overflow and the clean ones do not, and nothing is attacked."""
    model = build("bert")
    batch = batch_for(model)
    method = PGD(combine=combine, K=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    scaler = scaler_of(scale)
    precision = Precision(dtype=torch.float16, scaler=scaler)
    for _ in range(5):
        before = scaler.get_scale()
        objective = method.backward(model, batch, precision=precision)
        scaler.step(optimizer)
        scaler.update()
        overflowed = method.diagnostics()["nonfinite"] == 1
        assert torch.isfinite(objective)
        assert (scaler.get_scale() < before) == overflowed
        optimizer.zero_grad()
    assert not overflowed


def test_a_unit_of_loss_is_what_scale_makes_of_one():
    device = torch.device("cpu")
    assert Precision().unit(device) == 1
    assert Precision(weight=0.25, scaler=scaler_of(1024.0)).unit(device) == 256
    assert Precision(weight=0.25, scaler=scaler_of(1024.0, enabled=False)).unit(device) == 0.25


@pytest.mark.parametrize("name", having("epsilon"))
def test_half_precision_embeddings_that_swallow_the_step_are_refused(name):
    model = build("bert").to(torch.bfloat16)
    batch = batch_for(model)
    before = state_of_half(model)
    with pytest.raises(AttackError, match=r"torch\.bfloat16 embeddings swallow .* keep the weights in fp32 and use autoc"):
        METHODS[name](epsilon=1e-9).backward(model, batch)
    assert state_of_half(model) == before
    with watch(model) as seen:
        METHODS[name](epsilon=1.0).backward(model, batch)
    assert seen.shift.any()
    METHODS[name](epsilon=0.0).backward(model, batch)


def state_of_half(model):
    """NumPy knows no bfloat16: its bits as integers."""
    return {name: p.detach().view(torch.int16).tolist() for name, p in model.named_parameters()}
