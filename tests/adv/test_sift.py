"""SiFT: perturbations of normalised embeddings; against the authors' formulation, which changes the model."""

from contextlib import contextmanager

import pytest
import torch
from byhand import kl, moves_predictions, passes_of, same, slope_at
from hypothesis import given, settings
from hypothesis import strategies as st
from observe import gradients, watch
from tiny import Bag, batch_for, build, grads_of, trained_bag
from torch.nn import functional as F

from adv import SiFT


@contextmanager
def normalised(model, z=0.0):
    """The authors' hook: the norm behind the embeddings is given ``(x - mean) / deviation + z`` instead of x."""

    def replace(module, args):
        return (F.layer_norm(args[0], args[0].shape[-1:], eps=1e-12) + z,)

    handle = model.bert.embeddings.LayerNorm.register_forward_pre_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def deviation(model, batch):
    """Of what the norm behind the embeddings is given, one number a token."""
    inputs = []
    handle = model.bert.embeddings.LayerNorm.register_forward_pre_hook(lambda module, args: inputs.append(args[0].detach()))
    model(**batch)
    handle.remove()
    return inputs[0].std(-1, keepdim=True, correction=0)


def test_the_authors_model_gives_the_same_perturbation_objective_and_gradients():
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.weight.normal_(1, 0.3)
    method = SiFT(sigma=0.1, alpha=0.05, K=2, reg_weight=4.0)
    with watch(model) as seen:
        found, loss = gradients(method, model, batch)
    size, mask = deviation(model, batch), batch["attention_mask"][..., None]
    clean, noise, *others = ((one.shift * mask) / size for one in seen.passes)
    assert not clean.any()

    def predict(z):
        with normalised(model, z * mask):
            return model(**batch)

    z, logits = noise, model(**batch).logits.detach()
    torch.testing.assert_close(predict(torch.zeros_like(z)).logits, logits, rtol=0, atol=1e-4)
    for one in others:
        gradient = slope_at(lambda z: kl(logits, predict(z).logits), z)
        z = z + 0.05 * gradient / gradient.abs().amax(-1, keepdim=True).clamp_min(1e-30)
        torch.testing.assert_close(one, z, rtol=1e-3, atol=1e-4)
    model.zero_grad()
    plain, moved = model(**batch), predict(z).logits
    objective = plain.loss + 4 * (kl(plain.logits, moved) + kl(moved, plain.logits))
    torch.testing.assert_close(loss, objective.detach(), rtol=1e-4, atol=1e-4)
    objective.backward()
    same(found, grads_of(model), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "deberta", "modernbert", "albert"])
def test_the_embedding_s_scale_does_not_matter(family):
    """Where a norm undoes it: predictions, perturbation against the embedding, and objective stay."""
    results = []
    for scale in (1.0, 16.0):
        model = build(family, dropout=0.0)
        batch = batch_for(model)
        with torch.no_grad():
            for module in model.base_model.embeddings.modules():
                if isinstance(module, torch.nn.Embedding):
                    module.weight.mul_(8 * scale)
        with watch(model) as seen:
            found, loss = gradients(SiFT(sigma=0.3, alpha=0.1), model, batch)
        results.append((loss, seen.shift / scale, found["classifier.weight"]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@given(sigma=st.floats(0, 3), alpha=st.floats(0, 1), count=st.integers(0, 3))
@settings(max_examples=25)
def test_no_entry_leaves_its_bound_of_deviations(sigma, alpha, count):
    """On a model without a norm the deviation is that of the embedding itself."""
    model = Bag(hidden=16)
    batch = batch_for(model)
    size = model.embedding(batch["input_ids"]).std(-1, keepdim=True, correction=0)
    shifts = passes_of(SiFT(sigma=sigma, alpha=alpha, K=count), model, batch)
    assert len(shifts) == 2 + count
    for number, shift in enumerate(shifts[1:]):
        steps = min(number, count)
        assert (shift.abs() <= size * (2 * sigma + steps * alpha) * (1 + 1e-5) + 1e-5).all()
        assert not shift[batch["attention_mask"] == 0].any()


def test_the_start_is_normal_noise_cut_at_two_deviations():
    model = Bag(hidden=256)
    batch = batch_for(model)
    size = model.embedding(batch["input_ids"]).std(-1, keepdim=True, correction=0)
    z = (passes_of(SiFT(sigma=0.2, K=0), model, batch)[-1] / size)[batch["attention_mask"].bool()]
    z = z.detach()
    assert z.std() == pytest.approx(0.2, rel=0.1)
    torch.testing.assert_close(z.abs().max(), torch.tensor(0.4))


def test_moves_predictions_and_beats_a_random_direction_where_the_step_is_not_tiny():
    model, batch = trained_bag()
    shift = passes_of(SiFT(sigma=1e-3, alpha=0.1), model, batch)[-1]
    assert moves_predictions(model, batch, shift)
