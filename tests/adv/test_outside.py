"""A method outside the tree: it needs ``adv`` alone, accumulates, and meets clear errors."""

import ast

import pytest
import torch
from helpers.outside_methods import OUTSIDE
from helpers.places import ROOT
from helpers.tiny_models import batch_for, build, grads_of
from helpers.watched_steps import gradients
from torch import nn

import adv


def test_it_imports_nothing_from_inside_adv():
    tree = ast.parse((ROOT / "tests/helpers/outside_methods.py").read_text())
    asked = [(node.module, name.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names]
    asked = [(module, name) for module, name in asked if module.startswith("adv")]
    assert {module for module, _ in asked} == {"adv"}
    assert {name for _, name in asked} <= set(adv.__all__)


def test_all_that_adv_exports_is_there():
    assert sorted(adv.__all__, key=str.lower) == sorted(set(adv.__all__), key=str.lower)
    assert [name for name in adv.__all__ if not hasattr(adv, name)] == []


def radius_of(name):
    """The setting without which it is clean training."""
    [radius] = OUTSIDE[name].null[0]
    return radius


@pytest.mark.parametrize("name", OUTSIDE)
def test_micro_batches_count_their_share(name):
    model = build("bert", dropout=0.0)
    batch = batch_for(model, size=4)
    method = OUTSIDE[name](**{radius_of(name): 0.1})
    whole, _ = gradients(method, model, batch)
    model.zero_grad()
    for rows in (slice(0, 1), slice(1, 4)):
        part = {key: value[rows] for key, value in batch.items()}
        method.backward(model, part, share=len(part["labels"]) / 4)
    torch.testing.assert_close(grads_of(model), whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", OUTSIDE)
def test_settings_and_models_are_refused_as_those_of_registered_methods(name):
    with pytest.raises(adv.SettingError, match=radius_of(name)):
        OUTSIDE[name](**{radius_of(name): -1.0})
    with pytest.raises(adv.AttackError, match="set emb_name"):
        OUTSIDE[name]().backward(nn.Linear(3, 2), {"x": torch.zeros(1, 3)})


def test_both_sides_is_the_mean_of_two_losses():
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    embedding = model.get_input_embeddings()
    outputs = []
    handle = embedding.register_forward_hook(lambda module, args, output: outputs.append(output))
    clean = model(**batch).loss
    handle.remove()
    (slope,) = torch.autograd.grad(clean, outputs[0])
    shift = 0.5 * slope / slope.norm(dim=-1, keepdim=True).clamp_min(1e-20) * batch["attention_mask"][..., None]
    losses = []
    for side in (shift, -shift):
        handle = embedding.register_forward_hook(lambda module, args, output, side=side: output + side)
        losses.append(model(**batch).loss)
        handle.remove()
    _, objective = gradients(OUTSIDE["both_sides"](), model, batch)
    torch.testing.assert_close(objective, (sum(losses) / 2).detach())
