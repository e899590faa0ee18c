"""Autocast, loss scaling, overflow and micro-batches: the attack must not depend on how a number is stored."""

import math

import pytest
import torch
from helpers.loss_scales import INNER, scaler_of, times
from helpers.tiny_models import batch_for, build, grads_of
from helpers.watched_steps import (
    ACCUMULATING,
    ASCENDING,
    ATTACKS,
    ON_EMBEDDINGS,
    ON_WEIGHTS,
    gradients,
    having,
    plain_step,
    state_of,
    watch,
)

from adv import METHODS, PGD, AttackError, Precision

every_attack = pytest.mark.parametrize("name", ATTACKS)


def unscaled(model, method, batch, precision):
    """The gradients after ``unscale_``, and the adversarial pass."""
    with watch(model) as seen:
        gradients(method, model, batch, precision=precision)
    precision.scaler.unscale_(torch.optim.SGD(model.parameters(), lr=0.1))
    return grads_of(model), seen.passes[-1]


# Below 4096, fp16 itself loses the smallest gradients of this model.
@pytest.mark.parametrize(
    ("name", "dtype", "low"),
    [(name, torch.float16, 4096.0) for name in METHODS]
    + [(name, (None, torch.bfloat16)[number % 2], 1.0) for number, name in enumerate(METHODS)],
)
def test_the_scale_of_the_loss_changes_nothing(name, dtype, low):
    model = build("bert")
    batch = batch_for(model)
    low, high = (Precision(dtype=dtype, scaler=scaler_of(scale)) for scale in (low, 65536.0))
    # At their default noise the divergence is of the order 1e-8, which fp16 does not have.
    settings = {"smart": {"sigma": 0.1, "epsilon": 0.5}, "vat": {"xi": 1.0}}.get(name, {}) if dtype is torch.float16 else {}
    expected, at_low = unscaled(model, METHODS[name](**settings), batch, low)
    found, at_high = unscaled(model, METHODS[name](**settings), batch, high)
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
    assert dtypes == [dtype] * len(seen.whole) == [dtype] * method.cost().forward
    assert objective.dtype == torch.float32
    _, expected = gradients(method, model, batch)
    torch.testing.assert_close(objective, expected, rtol=0.02, atol=0)
    assert all(p.dtype == torch.float32 and (p.grad is None or p.grad.dtype == p.dtype) for p in model.parameters())


# A perturbation that is small enough for directions not to matter beyond the first order; noise has no direction.
SMALL = {"epsilon": 0.01, "alpha": 0.003, "adv_eps": 0.01, "rho": 0.01}


@pytest.mark.parametrize(
    "name", [n for n in (*ASCENDING, *ACCUMULATING, *ON_WEIGHTS) if not n.startswith("random") and n != "freeat"]
)
def test_a_loss_too_small_for_fp16_is_scaled_in_every_pass(name):
    """Unscaled, the gradients of this loss vanish in fp16, and a pass that forgets to scale has no direction."""
    model = build("bert")
    batch = batch_for(model)
    settings = {key: value for key, value in SMALL.items() if name in having(key)}
    settings |= {key: 0.0 for key in ("init_mag", "sigma", "reg_weight") if name in having(key)}
    settings |= {"K": 3} if name == "creat" else {}
    moves = []
    for precision in (Precision(), Precision(dtype=torch.float16, scaler=scaler_of(2.0**26))):
        with watch(model) as seen:
            gradients(
                METHODS[name](**settings),
                model,
                batch,
                precision=precision,
                forward=times(1e-6),
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
    if name in INNER:
        assert not seen.shift.any()
        assert seen.losses[0] == seen.losses[-1]
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**21
    assert state_of(model)["weights"] == before
    report = method.diagnostics()
    assert report["attacked"] == 1
    assert name not in INNER or (report["nonfinite"], report["gap"]) == (1, 0)
    for _ in range(7):
        optimizer.zero_grad()
        method.backward(model, batch, precision=Precision(dtype=torch.float16, scaler=scaler))
        scaler.step(optimizer)
        scaler.update()
    report = method.diagnostics()
    assert report["nonfinite"] < report["attacked"] == 7
    assert all(math.isfinite(value) for value in report.values())
    assert all(torch.isfinite(value).all() for value in method.state_dict().values())
    weights = state_of(model)["weights"]
    assert weights["classifier.weight"] != before["classifier.weight"]
    assert all(torch.isfinite(p).all() for p in model.parameters())


# Each text's perturbation is its own here; noise depends on the shape of the batch, so there is none.
SEPARATE = [
    *({"name": name, "norm": norm, "combine": combine} for name in ("fgm", "pgd", "mifgm") for norm in ("example", "token")
      for combine in ("mean", "sum", "replace")),
    *({"name": name, "norm": norm, "init_mag": 0.0} for name in ("freelb", "freeat", "yopo")
      for norm in ("example", "token")),
    {"name": "fgsm", "epsilon": 0.001}, {"name": "creat", "sigma": 0.0, "reg_weight": 0.0, "K": 3},
    {"name": "gradient_penalty", "reg_weight": 0.1}, {"name": "r3f", "sigma": 0.0}, {"name": "none"},
]  # fmt: skip


PARTS = [(2, 2, 2, 2), (5, 3), (1, 7)]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        pytest.param(settings, PARTS[number % 3], id="-".join(map(str, settings.values())))
        for number, settings in enumerate(SEPARATE)
    ],
)
def test_micro_batches_add_up_to_the_batch(settings, parts):
    model = build("bert", dropout=0.0)
    whole = batch_for(model, size=8)
    method = METHODS[settings["name"]](**{key: value for key, value in settings.items() if key != "name"})
    expected, _ = gradients(method, model, whole)
    model.zero_grad()
    start = 0
    for size in parts:
        part = {key: value[start : start + size] for key, value in whole.items()}
        method.backward(model, part, share=size / 8)
        start += size
    for name, gradient in grads_of(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_micro_batch_adds_its_share(name):
    model = build("bert")
    batch = batch_for(model)
    whole, objective = plain_step(name)
    share, same = gradients(METHODS[name](), model, batch, share=0.25)
    torch.testing.assert_close(same, objective)
    for key, gradient in whole.items():
        torch.testing.assert_close(share[key], 0.25 * gradient, rtol=1e-3, atol=1e-6)
    nothing, _ = gradients(METHODS[name](), model, batch, share=0.0)
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
    assert Precision(scaler=scaler_of(1024.0)).unit(device, 0.25) == 256
    assert Precision(scaler=scaler_of(1024.0, enabled=False)).unit(device, 0.25) == 0.25


@pytest.mark.parametrize("name", [name for name in ON_EMBEDDINGS if name in having("epsilon") and name != "freeat"])
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


@every_attack
@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_the_callers_own_autocast_serves_as_well(name, dtype):
    """Autocast keeps half-precision copies of the weights; a weight attack must not compute with those it has moved."""
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    with watch(model) as expected:
        gradients(METHODS[name](), model, batch, precision=Precision(dtype=dtype))
    with watch(model) as seen, torch.autocast("cpu", dtype=dtype):
        gradients(METHODS[name](), model, batch)
    torch.testing.assert_close(torch.stack(seen.losses), torch.stack(expected.losses), rtol=2e-3, atol=0)
