"""VAT: ``d <- grad KL(f(e) || f(e + xi d / ||d||))``, then ``J + reg_weight * KL(f(e) || f(e + epsilon d / ||d||))``."""

import pytest
import torch
from helpers.by_hand import (
    kl,
    lengths,
    logits_at,
    loss_at,
    moves_predictions,
    passes_of,
    same,
    slope_at,
    slopes_of,
    spoiled,
    unit,
    unmasked,
)
from helpers.tiny_models import Bag, batch_for, build, grads_of, trained_bag
from helpers.watched_steps import gradients, watch
from torch.nn import functional as F

from adv import VAT, AttackError, Clean


def by_token(gradient):
    return gradient / gradient.abs().amax(2, keepdim=True)


@pytest.mark.parametrize(("form", "direction"), [("vat", unit), ("alum", by_token)])
@pytest.mark.parametrize("count", [1, 2])
def test_a_step_by_hand(count, form, direction):
    model = Bag()
    batch = unmasked(batch_for(model))
    method = VAT(epsilon=0.7, xi=0.1, K=count, reg_weight=3.0, form=form)
    torch.manual_seed(3)
    with watch(model) as seen:
        loss = method.backward(model, batch)
    clean, noise, *others = (one.shift for one in seen.passes)
    assert not clean.any()
    assert len(others) == count
    torch.testing.assert_close(noise, 0.1 * direction(noise), rtol=1e-3, atol=1e-5)
    logits, shift = logits_at(model, batch), noise
    for number, found in enumerate(others):
        gradient = slope_at(lambda delta: kl(logits.detach(), logits_at(model, batch, delta)), shift)
        shift = (0.1 if number + 1 < count else 0.7) * direction(gradient)
        torch.testing.assert_close(found, shift, rtol=1e-2, atol=1e-4)
    at = shift
    if form == "alum":  # the embedding matrix learns nothing from the perturbed pass
        at = shift + (model.embedding(batch["input_ids"]).detach() - model.embedding(batch["input_ids"]))
    moved = logits_at(model, batch, at)
    apart = kl(logits.detach(), moved) + (kl(moved.detach(), logits) if form == "alum" else 0)
    objective = loss_at(model, batch) + 3 * apart
    torch.testing.assert_close(loss, objective.detach(), rtol=1e-3, atol=1e-4)
    same(grads_of(model), slopes_of(model, objective), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize("epsilon", [1e-2, 1.0, 20.0])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_length_is_epsilon_for_each_text(family, epsilon, count):
    model = build(family, dropout=0.0)
    batch = batch_for(model)
    shift = passes_of(VAT(epsilon=epsilon, K=count), model, batch)[-1]
    torch.testing.assert_close(lengths(shift), torch.full((4, 1, 1), epsilon), rtol=1e-3, atol=0)
    shift = passes_of(VAT(epsilon=epsilon, K=count, form="alum"), model, batch)[-1]
    top = shift.abs().amax(2)[batch["attention_mask"].bool()]
    torch.testing.assert_close(top, torch.full_like(top, epsilon), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("form", ["vat", "alum"])
def test_labels_do_not_matter_to_the_regulariser(form):
    model = build("bert")
    batch = batch_for(model)
    shifts, apart = [], []
    for labels in (batch["labels"], (batch["labels"] + 1) % 3):
        one = batch | {"labels": labels}
        torch.manual_seed(3)
        clean = Clean().backward(model, one)
        method = VAT(form=form)
        shifts.append(passes_of(method, model, one)[-1])
        apart.append(gradients(method, model, one)[1] - clean)
    assert torch.equal(*shifts)
    assert apart[0] > 1e-4
    torch.testing.assert_close(*apart, rtol=1e-3, atol=1e-6)


def test_no_power_iteration_is_a_random_direction():
    model = Bag()
    batch = batch_for(model)
    method = VAT(K=0)
    shifts = [passes_of(method, model, batch) for _ in range(2)]
    assert [len(one) for one in shifts] == [2, 2]
    assert F.cosine_similarity(shifts[0][1].flatten(1), shifts[1][1].flatten(1)).abs().max() < 0.7
    torch.manual_seed(5)
    model.output.reset_parameters()
    fresh = VAT(K=0)
    torch.testing.assert_close(passes_of(fresh, model, batch)[1], shifts[0][1])


class Unlabelled(Bag):
    """Returns no loss where there are no labels, as transformers' models do."""

    def forward(self, input_ids, attention_mask=None, labels=None):
        logits = logits_at(self, {"input_ids": input_ids})
        return {"loss": None if labels is None else F.cross_entropy(logits, labels), "logits": logits}


def test_batches_without_labels_train_the_regulariser_alone():
    model = Unlabelled()
    batch = batch_for(model)
    without = {key: value for key, value in batch.items() if key != "labels"}
    with pytest.raises(AttackError, match="put the labels into the batch"):
        VAT().backward(model, without)
    method = VAT(unlabelled=True, reg_weight=2.0)
    found, loss = gradients(method, model, without)
    clean, base = gradients(Clean(), model, batch)
    joined, total = gradients(method, model, batch)
    torch.testing.assert_close(total, base + loss)
    same(joined, {name: clean[name] + gradient for name, gradient in found.items()})
    shift = passes_of(VAT(), model, batch)[-1]
    torch.testing.assert_close(loss, 2 * kl(logits_at(model, batch), logits_at(model, batch, shift)).detach())
    assert build("bert")(**{key: without[key] for key in without}).loss is None


def test_the_regulariser_is_never_below_zero_and_fades_with_epsilon():
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    clean = Clean().backward(model, batch)
    apart = [float(gradients(VAT(epsilon=epsilon), model, batch)[1] - clean) for epsilon in (0.0, 0.01, 0.1, 1.0)]
    assert min(apart) > -1e-6
    assert apart == sorted(apart)
    assert apart[0] < 1e-6 < apart[3]


@pytest.mark.parametrize("form", ["vat", "alum"])
@pytest.mark.parametrize("count", [1, 2])
def test_moves_predictions_and_beats_a_random_direction(count, form):
    model, batch = trained_bag()
    shift = passes_of(VAT(epsilon=0.3, xi=0.1, K=count, form=form), model, batch)[-1]
    assert moves_predictions(model, batch, shift)


def test_an_overflow_ends_the_attack_of_this_step_alone():
    model = Bag()
    batch = batch_for(model)
    method = VAT()
    with spoiled(model, 2), watch(model) as seen:
        method.backward(model, batch)
    assert not seen.shift.any()
    assert method.diagnostics()["nonfinite"] == 1
    assert passes_of(method, model, batch)[-1].any()


def test_a_batch_without_labels_trains_the_regulariser_alone():
    model = build("bert")
    batch = batch_for(model)
    whole, objective = gradients(VAT(), model, batch)
    clean, loss = gradients(Clean(), model, batch)
    del batch["labels"]
    method = VAT(unlabelled=True)
    found, alone = gradients(method, model, batch)
    torch.testing.assert_close(alone, objective - loss, rtol=1e-3, atol=1e-6)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, whole[name] - clean[name], rtol=1e-2, atol=1e-5)
    assert "gap" not in method.diagnostics()
