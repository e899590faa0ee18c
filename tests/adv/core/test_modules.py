"""Modules that methods look into: found by what the model tells, or by a name; else an error that says what to set."""

import pytest
import torch
from helpers.tiny_models import FAMILIES, Bag, batch_for, build
from torch import nn

from adv import AttackError
from adv.core.modules import encoder_of, first_layer, named_module, unwrapped

FIRST = {
    "bert": "bert.encoder.layer.0",
    "roberta": "roberta.encoder.layer.0",
    "deberta": "deberta.encoder.layer.0",
    "electra": "electra.encoder.layer.0",
    "distilbert": "distilbert.transformer.layer.0",
    "modernbert": "model.layers.0",
    "albert": "albert.encoder.albert_layer_groups.0",
    "xlnet": "transformer.layer.0",
    "gpt2": "transformer.h.0",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_tells_its_first_layer_and_its_encoder(family):
    model = build(family)
    layer, encoder = first_layer(model, None), encoder_of(model, None)
    assert layer is model.get_submodule(FIRST[family])
    assert encoder is model.base_model
    order = []
    for module in (layer, encoder, model.get_input_embeddings()):
        module.register_forward_hook(lambda module, args, output: order.append((module, output)))
    output = model(**batch_for(model))
    assert [module for module, _ in order[:2]] == [model.get_input_embeddings(), layer]
    # The encoder gives (batch, seq, hidden) first, and the logits come from it.
    assert order[-1][0] is encoder
    assert order[-1][1][0].shape == (4, 9, 32)
    assert output.logits.shape == (4, 3)


def test_a_wrapped_model_is_looked_into():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    model = build("bert")
    assert unwrapped(Wrapper(model)) is model
    assert unwrapped(model) is model
    assert encoder_of(Wrapper(model), None) is model.bert
    assert first_layer(Wrapper(model), None) is model.bert.encoder.layer[0]

    class Odd(nn.Module):
        module = "not a module"

    odd = Odd()
    assert unwrapped(odd) is odd


def test_a_name_chooses():
    model = build("bert")
    assert named_module(model, r"layer\.1$") is model.bert.encoder.layer[1]
    assert first_layer(model, r"layer\.1$") is model.bert.encoder.layer[1]
    assert encoder_of(model, "pooler$") is model.bert.pooler
    bag = Bag()
    assert first_layer(bag, "drop") is bag.dropout is encoder_of(bag, "drop")


@pytest.mark.parametrize("find", [named_module, first_layer, encoder_of])
def test_a_name_that_fits_none_or_several_is_an_error(find):
    model = build("bert")
    with pytest.raises(AttackError, match=r"layer_name='layr' must match one module, but matches 0 \(none\)"):
        find(model, "layr")
    with pytest.raises(AttackError, match=r"layer_name='pooler' must match one module, but matches 3 \(bert.pooler, "):
        find(model, "pooler")


def test_a_model_that_tells_nothing_is_an_error():
    with pytest.raises(AttackError, match="Bag has no list of layers: set layer_name to its first layer"):
        first_layer(Bag(), None)
    with pytest.raises(AttackError, match="cannot find the encoder of Bag: set layer_name to it"):
        encoder_of(Bag(), None)
    empty = Bag()
    empty.layers = nn.ModuleList()
    with pytest.raises(AttackError, match="Bag has no list of layers"):
        first_layer(empty, None)
    # transformers' base_model is the model itself where there is no head.
    bare = build("bert").bert
    with pytest.raises(AttackError, match="cannot find the encoder of BertModel"):
        encoder_of(bare, None)
    assert torch.is_tensor(bare(**{k: v for k, v in batch_for(bare).items() if k != "labels"})[0])
