"""Gradient penalty: ``J + reg_weight / 2 * mean_i ||dJ_i / de_i||^2``, with a true second derivative."""

import pytest
import torch
from helpers.by_hand import bitwise, same
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients
from torch.nn import functional as F

from adv import Clean, GradientPenalty

STEP = 1e-4


def penalised(model, batch, reg_weight, norm):
    """The objective by hand for a Bag, in double precision: gradients in closed form, text by text."""
    real = batch["attention_mask"].bool()
    embedded = model.embedding(batch["input_ids"])
    logits = model.output(embedded.mean(1))
    error = logits.softmax(-1) - F.one_hot(batch["labels"], 3)
    at_token = (error @ model.output.weight / embedded.shape[1])[:, None] * real[..., None]
    if norm == "example":
        penalty = at_token.square().sum((1, 2)).mean()
    else:
        rows = [at_token[batch["input_ids"] == word].sum(0) / len(logits) for word in batch["input_ids"][real].unique()]
        penalty = torch.stack(rows).square().sum()
    return F.cross_entropy(logits, batch["labels"]) + reg_weight / 2 * penalty


@pytest.mark.parametrize("norm", ["example", "matrix"])
@pytest.mark.parametrize("reg_weight", [1.0, 20.0])
def test_the_gradient_is_that_of_the_penalised_loss_by_finite_differences(reg_weight, norm):
    model = Bag().double()
    batch = batch_for(model)
    found, loss = gradients(GradientPenalty(reg_weight=reg_weight, norm=norm), model, batch)
    with torch.no_grad():
        torch.testing.assert_close(loss.double(), penalised(model, batch, reg_weight, norm), rtol=1e-5, atol=1e-6)
        for name, p in model.named_parameters():
            expected = torch.zeros_like(p)
            for place in range(p.numel()):
                ends = []
                for side in (STEP, -STEP):
                    p.view(-1)[place] += side
                    ends.append(penalised(model, batch, reg_weight, norm))
                    p.view(-1)[place] -= side
                expected.view(-1)[place] = (ends[0] - ends[1]) / (2 * STEP)
            torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-6)


def of_texts(model, batch):
    """The objective for a transformer, weight 5: each text alone, its embeddings handed in."""
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    loss, squares = 0.0, []
    for i in range(len(embedded)):
        mask, label = batch["attention_mask"][i : i + 1], batch["labels"][i : i + 1]
        one = model(inputs_embeds=embedded[i : i + 1], attention_mask=mask, labels=label).loss
        slope = torch.autograd.grad(one, embedded)[0][i] * mask[0, :, None]
        loss, squares = loss + one.detach() / len(embedded), [*squares, slope.square().sum()]
    return loss + 5 / 2 * torch.stack(squares).mean()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["bert", "electra"])
def test_a_transformer_s_gradient_by_finite_differences(family, attention):
    """Also with the attention kernels that models use by default, which have no second derivative."""
    model = build(family, dropout=0.0).double()
    model.set_attn_implementation(attention)
    batch = batch_for(model)
    words = model.get_input_embeddings().weight
    words.data.mul_(10)
    found, loss = gradients(GradientPenalty(reg_weight=5.0), model, batch)
    assert loss.double() == pytest.approx(of_texts(model, batch).item(), rel=1e-5)
    generator = torch.Generator().manual_seed(0)
    along = {n: torch.randn(p.shape, generator=generator, dtype=p.dtype) * p.std() for n, p in model.named_parameters()}
    ends = []
    for side in (STEP, -2 * STEP):
        for name, p in model.named_parameters():
            p.data.add_(along[name], alpha=side)
        ends.append(of_texts(model, batch))
    expected = (ends[0] - ends[1]) / (2 * STEP)
    slope = sum((found[name] * along[name]).sum() for name in found)
    assert slope.item() == pytest.approx(expected.item(), rel=1e-3)
    clean, _ = gradients(Clean(), model, batch)
    assert sum((clean[name] * along[name]).sum().item() for name in found) != pytest.approx(expected.item(), rel=1e-2)


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_weight_of_zero_is_clean_training(family):
    model = build(family, dropout=0.0)
    batch = batch_for(model)
    expected, loss = gradients(Clean(), model, batch)
    found, objective = gradients(GradientPenalty(reg_weight=0.0), model, batch)
    torch.testing.assert_close(objective, loss)
    same(found, expected, rtol=1e-4, atol=1e-6)
    model = Bag()
    bitwise(gradients(GradientPenalty(reg_weight=0.0), model, batch)[0], gradients(Clean(), model, batch)[0])


def test_it_is_not_the_clean_gradient_doubled():
    """As in an implementation in circulation, whose penalty had no gradient."""
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    clean, _ = gradients(Clean(), model, batch)
    found, _ = gradients(GradientPenalty(reg_weight=100.0), model, batch)
    flat, other = (torch.cat([one[name].flatten() for name in clean]) for one in (clean, found))
    assert F.cosine_similarity(flat, other, dim=0) < 0.99


def test_the_penalty_of_a_text_does_not_depend_on_its_neighbours():
    model = Bag()
    batch = batch_for(model)
    halves = [{key: value[part] for key, value in batch.items()} for part in (slice(0, 2), slice(2, 4))]
    added = {}
    for norm in ("example", "matrix"):
        method = GradientPenalty(reg_weight=50.0, norm=norm)
        whole, *parts = (gradients(method, model, one)[1] for one in (batch, *halves))
        added[norm] = torch.allclose(whole, (parts[0] + parts[1]) / 2, rtol=1e-5)
    assert added == {"example": True, "matrix": False}


def test_training_on_it_makes_gradients_smaller():
    sizes = []
    for method in (Clean(), GradientPenalty(reg_weight=20.0)):
        torch.manual_seed(0)
        model = Bag()
        batch = batch_for(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            method.backward(model, batch)
            optimizer.step()
        sizes.append(model.slopes(model.embedding(batch["input_ids"]), batch["labels"])[0].norm().item())
    assert sizes[1] < 0.8 * sizes[0]
