"""Every method on a model with a pooling head, and on one whose embeddings or first layers are frozen."""

import pytest
import torch
from helpers.tiny_models import FAMILIES, batch_for, build, grads_of
from helpers.watched_steps import KNOWN, UNMOVED, clean, gradients, has, state_of, watch

from adv import AWP, FGM, AttackError
from finetune.models.layers import depths
from finetune.models.pooling import Pooled

POOLINGS = ("cls", "mean", "max", "attention", "last-layers")


def pooled(family, pooling):
    """With dropout, several samples of it, and the same weights every time."""
    base = build(family, head="Model")
    base.config.problem_type = "single_label_classification"
    torch.manual_seed(0)
    model = Pooled(base, pooling, samples=2).train()
    torch.nn.init.normal_(model.head.output.weight, std=0.3)
    for name, depth in depths(base).items():
        base.get_parameter(name).requires_grad_(depth <= base.config.num_hidden_layers)  # as Models does with a pooler
    return model


def small(name):
    """Settings with which a method is clean training."""
    return (KNOWN[name].null or [{}])[0]


# Every method, each on another family and head, padded on another side.
TURNS = [
    (name, list(FAMILIES)[i % 6], POOLINGS[i % len(POOLINGS)], ("left", "right")[i // 2 % 2]) for i, name in enumerate(KNOWN)
]


@pytest.mark.parametrize(("name", "family", "pooling", "side"), TURNS)
def test_a_step_adds_its_gradient_and_leaves_all_else_as_it_was(name, family, pooling, side):
    model = pooled(family, pooling)
    batch = batch_for(model, side)
    expected, loss, after = clean(model, batch)
    before = state_of(model)
    found, _ = gradients(KNOWN[name](), model, batch)
    assert torch.equal(torch.get_rng_state(), after)
    assert state_of(model) == before
    assert found.keys() == expected.keys()
    assert all(torch.isfinite(gradient).all() for gradient in found.values())
    if name not in (*UNMOVED, "none"):
        assert any(not torch.equal(found[key], gradient) for key, gradient in expected.items())
    still = KNOWN[name](**small(name), **({"combine": "mean"} if has(name, "combine") else {}))
    null, objective = gradients(still, model, batch)
    torch.testing.assert_close(objective, loss, rtol=1e-6, atol=0)
    for key, gradient in null.items():
        torch.testing.assert_close(gradient, expected[key], rtol=1e-4, atol=1e-7 + 1e-5 * float(expected[key].abs().max()))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_is_not_perturbed(pooling):
    model = pooled("roberta", pooling)
    batch = batch_for(model, "left")
    with watch(model) as seen:
        FGM().backward(model, batch)
    moved = seen.shift.abs().sum(-1) > 0
    assert not moved[batch["attention_mask"] == 0].any()
    assert moved.any()


@pytest.mark.parametrize(("name", "kept"), [(name, i % 3) for i, name in enumerate(KNOWN)])
def test_frozen_embeddings_and_layers_are_attacked_and_stay(name, kept):
    """The encoder has two layers: embeddings alone, with the first layer, or with all of them."""
    model = build("bert")
    batch = batch_for(model)
    where = depths(model)
    for parameter, depth in where.items():
        model.get_parameter(parameter).requires_grad_(depth > kept)
    expected, _, after = clean(model, batch)
    before, method = state_of(model), KNOWN[name]()
    for _ in range(2):  # some methods begin with a clean step
        found, _ = gradients(method, model, batch) if name not in UNMOVED else (None, method.backward(model, batch))
        assert name in UNMOVED or torch.equal(torch.get_rng_state(), after)
    assert state_of(model) == before
    found = grads_of(model) if found is None else found
    assert found.keys() == expected.keys() == {parameter for parameter, depth in where.items() if depth > kept}
    if name != "none":
        assert any(not torch.equal(found[key], gradient) for key, gradient in expected.items())


@pytest.mark.parametrize("adv_param", ["embeddings", "layer.0", "word_embeddings.weight"])
def test_weights_that_are_all_frozen_are_refused(adv_param):
    model = build("bert")
    for parameter, depth in depths(model).items():
        model.get_parameter(parameter).requires_grad_(depth > 1)
    with pytest.raises(AttackError, match=r"are frozen: unfreeze some"):
        AWP(adv_param=adv_param).backward(model, batch_for(model))
