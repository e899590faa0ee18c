"""SiFT: perturbations of normalised embeddings; against the authors' formulation, which changes the model."""

from contextlib import contextmanager

import pytest
import torch
from helpers.by_hand import kl, logits_at, loss_at, moves_predictions, passes_of, same, slope_at, slopes_of, unmasked
from helpers.tiny_models import Bag, batch_for, build, grads_of, trained_bag
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from adv import Clean, SiFT


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


@pytest.mark.parametrize("sharpness", [1, 50])
def test_the_authors_model_gives_the_same_perturbation_objective_and_gradients(sharpness):
    """Also where predictions move, so that the penalty counts; there the gradients behind the embeddings are compared.

    What the perturbed pass teaches the embeddings is ours: the authors detach them.
    """
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.weight.normal_(1, 0.3)
        model.classifier.weight.mul_(sharpness)
    clean, _ = gradients(Clean(), model, batch)
    method = SiFT(sigma=0.1, alpha=0.05, K=2, reg_weight=4.0)
    with watch(model) as seen:
        found, loss = gradients(method, model, batch)
    size, mask = deviation(model, batch), batch["attention_mask"][..., None]
    unmoved, noise, *others = ((one.shift * mask) / size for one in seen.passes)
    assert not unmoved.any()

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
    p, q = plain.logits.softmax(-1), moved.softmax(-1)
    apart = ((p - q) * (p.log() - q.log())).sum(-1).mean()
    torch.testing.assert_close(loss, (plain.loss + 4 * apart).detach(), rtol=1e-4, atol=1e-4)
    # The authors differentiate two cross entropies, each with a target that has no gradient.
    crossed = -(p.detach() * q.log()).sum(-1) - (q.detach() * p.log()).sum(-1)
    (plain.loss + 4 * crossed.mean()).backward()
    behind = [name for name in found if sharpness == 1 or "embeddings" not in name]
    same({name: found[name] for name in behind}, {name: model.get_parameter(name).grad for name in behind}, 1e-2, 1e-4)
    if sharpness == 1:
        return
    added, theirs = ({name: one[name] - clean[name] for name in clean} for one in (found, grads_of(model)))
    for name in ("classifier.weight", "bert.pooler.dense.weight", "bert.encoder.layer.0.output.dense.weight"):
        assert theirs[name].norm() > 0.01 * clean[name].norm()
        torch.testing.assert_close(added[name].norm() / theirs[name].norm(), torch.tensor(1.0), rtol=0.02, atol=0)


def held_penalty(distance, one, other):
    """What SiFT adds at weight 1, from logits: with both sides of both terms it would be twice that near equality."""
    if distance == "mse":
        return ((one.detach() - other).square() + (one - other.detach()).square()).mean()
    if distance == "bernoulli":
        p, q = torch.sigmoid(one), torch.sigmoid(other)
        fixed, moving = p.detach() - q.detach(), (q / (1 - q)).log() - (p / (1 - p)).log()
    else:
        p, q = one.softmax(-1), other.softmax(-1)
        fixed, moving = p.detach() - q.detach(), q.log() - p.log()
    return -(fixed * moving).sum(-1).mean()


@pytest.mark.parametrize("distance", ["kl", "bernoulli", "mse"])
@pytest.mark.parametrize("reg_weight", [3.0, 5.0])
def test_a_published_weight_acts_as_in_the_authors_code(reg_weight, distance):
    """``KL(p || q) + KL(q || p)`` with p, q fixed wherever they are a target is ``sum (p - q)' (log p - log q)``."""
    model = Bag(hidden=16)
    batch = unmasked(batch_for(model))
    method = SiFT(sigma=0.4, alpha=0.2, reg_weight=reg_weight, distance=distance)
    with watch(model) as seen:
        found, loss = gradients(method, model, batch)
    apart = held_penalty(distance, logits_at(model, batch), logits_at(model, batch, seen.shift))
    objective = loss_at(model, batch) + reg_weight * apart
    torch.testing.assert_close(loss, objective.detach(), rtol=1e-4, atol=1e-6)
    same(found, slopes_of(model, objective), rtol=1e-3, atol=1e-6)


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
