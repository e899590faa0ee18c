"""Bugs of the AWP implementations in circulation: one test for each that could come back.

What cannot come back, and why:
A12 (``start_epoch=0`` taken for "off"): a method does not look at ``start_epoch``, the training loop compares epochs.
"""

import gc

import pytest
import torch
from helpers.tiny_models import Bag, Conditional, batch_for, build, grads_of
from helpers.watched_steps import ATTACKS, gradients, state_of, watch
from torch import nn
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from adv import AWP, METHODS, AttackError, Clean, Precision

every_attack = pytest.mark.parametrize("name", ATTACKS)


def test_a1_awp_without_a_scaler_crashed():
    model = build("bert")
    AWP().backward(model, batch_for(model), precision=Precision(scaler=None))
    assert grads_of(model)


def test_a2_a_model_output_was_unpacked_into_its_keys():
    model = build("bert")
    batch = batch_for(model)
    assert isinstance(model(**batch), SequenceClassifierOutput)
    assert torch.isfinite(AWP().backward(model, batch))


def test_a3_autocast_was_fixed_to_cuda_and_fp16():
    model = build("bert")
    dtypes = []
    model.classifier.register_forward_hook(lambda module, args, output: dtypes.append((output.device.type, output.dtype)))
    AWP().backward(model, batch_for(model), precision=Precision(dtype=torch.bfloat16))
    assert dtypes == [("cpu", torch.bfloat16)] * 2


def test_a4_earlier_micro_batches_were_thrown_away():
    model = build("bert", dropout=0.0)
    first, second = batch_for(model), batch_for(model, "left")
    one, _ = gradients(AWP(), model, first)
    two, _ = gradients(AWP(), model, second)
    model.zero_grad()
    AWP().backward(model, first)
    AWP().backward(model, second)
    for name, gradient in grads_of(model).items():
        torch.testing.assert_close(gradient, one[name] + two[name], rtol=1e-4, atol=1e-6)


def test_a5_later_steps_reused_the_first_steps_gradient():
    """Two steps along one gradient are a straight line; here the second one starts where the first one ended."""
    model = build("bert", dropout=0.0)
    with watch(model) as seen:
        AWP(adv_lr=0.1, adv_eps=1e9, adv_step=2).backward(model, batch_for(model))
    start, middle, end = (one.weights["classifier.weight"].flatten() for one in seen.passes)
    assert F.cosine_similarity(middle - start, end - middle, dim=0) < 0.9999


def test_a6_a_weight_without_a_gradient_at_first_was_a_key_error():
    model = Conditional()
    with watch(model) as seen:
        AWP(adv_step=2).backward(model, batch_for(model))
    start, middle, end = (one.weights["other.weight"] for one in seen.passes)
    assert torch.equal(start, middle)
    assert not torch.equal(middle, end)


@pytest.mark.parametrize("adv_step", [1, 3])
def test_a7_three_copies_of_the_weights_were_kept(adv_step):
    """In every pass one spare copy of a touched weight is alive, and none of an embedding matrix, but for its rows."""
    model = Bag(hidden=40 + adv_step, labels=11)
    alive = []

    def count(module, args):
        tensors = [t for t in gc.get_objects() if issubclass(type(t), torch.Tensor)]
        for weight in (model.output.weight, model.embedding.weight):
            same = {t.untyped_storage().data_ptr() for t in tensors if t.shape == weight.shape}
            alive.append(len(same))

    handle = model.output.register_forward_pre_hook(count)
    AWP(adv_step=adv_step).backward(model, batch_for(model))
    handle.remove()
    assert alive == [2, 1] * (adv_step + 1)


@every_attack
def test_a8_scaled_gradients_were_clipped(name):
    """``unscale_`` works, once, after the step; what is clipped then has its true size."""
    model = build("bert")
    batch = batch_for(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    gradients(METHODS[name](), model, batch)
    expected = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)
    gradients(METHODS[name](), model, batch, precision=Precision(scaler=scaler))
    scaler.unscale_(optimizer)
    torch.testing.assert_close(nn.utils.clip_grad_norm_(model.parameters(), 1.0), expected, rtol=1e-4, atol=0)


def test_a9_the_size_of_the_perturbation_was_never_told():
    """The listing's defaults move the weights by about 15 %, which nobody saw."""
    model = build("bert")
    method = AWP()
    method.backward(model, batch_for(model))
    assert 0.05 < method.diagnostics()["relative"] < 0.2


def test_a10_half_precision_weights_swallowed_the_perturbation():
    model = build("bert").to(torch.bfloat16)
    with pytest.raises(AttackError, match="rounds small perturbations away"):
        AWP(adv_eps=1e-3).backward(model, batch_for(model))


@every_attack
def test_a11_a_delayed_start_put_back_the_weights_of_the_first_step(name):
    model = build("bert")
    batch = batch_for(model)
    method, optimizer = METHODS[name](start_epoch=1), torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(4):
        optimizer.zero_grad()
        (Clean() if step % 2 else method).backward(model, batch)
        optimizer.step()
        trained = state_of(model)["weights"]
    method.backward(model, batch)
    assert state_of(model)["weights"] == trained


@every_attack
def test_a13_a_method_that_was_never_active_said_nothing(name):
    """No attacked step, no diagnostics: the loop can tell, and warn."""
    method = METHODS[name](start_epoch=5)
    assert method.diagnostics() == {}
    model = build("bert")
    method.backward(model, batch_for(model))
    assert method.diagnostics()["attacked"] == 1
