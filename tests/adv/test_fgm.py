"""FGM: ``delta = epsilon * g / ||g||_2``, against the paper's equation, by hand."""

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, watch

from adv import FGM


def by_hand(model, batch, epsilon, norm):
    """The perturbation of Miyato et al., eq. 4, with the norm taken where ``norm`` says."""
    embedded = model.embedding(batch["input_ids"]).detach()
    gradient, _, _ = (value.detach() for value in model.slopes(embedded, batch["labels"]))
    if norm == "token":
        return epsilon * gradient / gradient.norm(dim=2, keepdim=True)
    if norm == "example":
        return epsilon * gradient / gradient.flatten(1).norm(dim=1)[:, None, None]
    ids = batch["input_ids"].reshape(-1)
    rows = torch.zeros_like(model.embedding.weight).index_add(0, ids, gradient.reshape(len(ids), -1))
    return epsilon * (rows / rows.norm())[batch["input_ids"]]


@pytest.mark.parametrize("norm", ["matrix", "example", "token"])
@pytest.mark.parametrize(("combine", "before", "after"), [("mean", 0.5, 0.5), ("sum", 1, 1), ("replace", 0, 1)])
def test_one_step_by_hand(norm, combine, before, after):
    model = Bag()
    batch = batch_for(model)
    del batch["attention_mask"]
    shift = by_hand(model, batch, 0.7, norm)
    with watch(model) as seen:
        found, _ = gradients(FGM(epsilon=0.7, norm=norm, combine=combine), model, batch)
    torch.testing.assert_close(seen.shift, shift, rtol=1e-4, atol=1e-6)
    embedded = model.embedding(batch["input_ids"]).detach()
    pairs = zip(model.slopes(embedded, batch["labels"]), model.slopes(embedded + shift, batch["labels"]), strict=True)
    at_text, at_output, at_bias = (before * clean + after * adversarial for clean, adversarial in pairs)
    ids = batch["input_ids"].reshape(-1)
    at_matrix = torch.zeros_like(model.embedding.weight).index_add(0, ids, at_text.reshape(len(ids), -1))
    for name, gradient in (("embedding.weight", at_matrix), ("output.weight", at_output), ("output.bias", at_bias)):
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "deberta", "modernbert"])
@pytest.mark.parametrize("epsilon", [1e-3, 1.0, 30.0])
def test_the_length_is_epsilon_where_it_is_taken(family, epsilon):
    model = build(family)
    batch = batch_for(model)
    real = batch["attention_mask"].bool()
    for norm in ("matrix", "example", "token"):
        with watch(model) as seen:
            FGM(epsilon=epsilon, norm=norm).backward(model, batch)
        ids, where = batch["input_ids"][real].unique(return_inverse=True)
        lengths = {
            "matrix": torch.zeros(len(ids), 32).index_copy(0, where, seen.shift[real]).norm(),
            "example": seen.shift.flatten(1).norm(dim=1),
            "token": seen.shift[real].norm(dim=1),
        }[norm]
        torch.testing.assert_close(lengths, torch.full_like(lengths, epsilon), rtol=1e-3, atol=0)


def test_one_budget_for_the_batch_or_one_for_each_text():
    """An example's perturbation depends on its neighbours under "matrix" alone."""
    model = Bag()
    batch = batch_for(model)
    half = {key: value[:2] for key, value in batch.items()}
    same = {}
    for norm in ("matrix", "example", "token"):
        shifts = []
        for part in (batch, half):
            with watch(model) as seen:
                FGM(norm=norm).backward(model, part)
            shifts.append(seen.shift[:2])
        same[norm] = torch.allclose(*shifts, atol=1e-5)
    assert same == {"matrix": False, "example": True, "token": True}


def test_a_zero_gradient_gives_no_perturbation():
    model = Bag()
    torch.nn.init.zeros_(model.output.weight)
    for norm in ("matrix", "example", "token"):
        with watch(model) as seen:
            FGM(norm=norm).backward(model, batch_for(model))
        assert not seen.shift.any()
        assert seen.losses[0] == seen.losses[1]
