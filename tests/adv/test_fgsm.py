"""FGSM: ``delta = epsilon * sign(dJ/de)``."""

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, watch

from adv import FGSM


def test_one_step_by_hand():
    model = Bag()
    batch = batch_for(model)
    del batch["attention_mask"]
    embedded = model.embedding(batch["input_ids"]).detach()
    gradient, _, _ = model.slopes(embedded, batch["labels"])
    shift = 0.1 * gradient.sign().detach()
    with watch(model) as seen:
        found, _ = gradients(FGSM(epsilon=0.1, combine="replace"), model, batch)
    torch.testing.assert_close(seen.shift, shift, rtol=0, atol=1e-6)
    _, at_output, at_bias = model.slopes(embedded + shift, batch["labels"])
    torch.testing.assert_close(found["output.weight"], at_output)
    torch.testing.assert_close(found["output.bias"], at_bias)


@pytest.mark.parametrize("family", ["bert", "electra", "distilbert"])
@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_every_element_of_a_real_token_moves_by_epsilon(family, epsilon):
    model = build(family)
    batch = batch_for(model)
    real = batch["attention_mask"].bool()
    with watch(model) as seen:
        FGSM(epsilon=epsilon).backward(model, batch)
    sizes = seen.shift[real].abs()
    torch.testing.assert_close(sizes, torch.full_like(sizes, epsilon), rtol=1e-3, atol=0)
    assert (seen.shift[real] > 0).any()
    assert (seen.shift[real] < 0).any()


def test_where_the_gradient_is_zero_nothing_moves():
    model = Bag()
    with torch.no_grad():
        model.output.weight[:, 0] = 0
    with watch(model) as seen:
        FGSM(epsilon=0.1).backward(model, batch_for(model))
    assert not seen.shift[..., 0].any()
    assert seen.shift[..., 1].any()
