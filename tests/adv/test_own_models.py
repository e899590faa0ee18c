"""Models of one's own: embeddings, layers and encoder are found through what tells them, or by name."""

import pytest
import torch
from helpers.own_models import LSTM, OWN, of_tuple, outputs_of, own, text_batch
from helpers.watched_steps import ON_EMBEDDINGS, gradients, having, state_of
from torch import nn
from torch.nn import functional as F
from transformers import BertModel

from adv import FGM, METHODS, AttackError
from adv.core.modules import encoder_of, first_layer, unwrapped
from adv.core.shift import find_embedding

pytestmark = [
    pytest.mark.filterwarnings("ignore:the model is compiled"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # torch's own, while it compiles
]


def inner_bert(model):
    (bert,) = [module for module in model.modules() if isinstance(module, BertModel)]
    return bert


@pytest.mark.parametrize("kind", OWN)
def test_an_encoder_inside_is_found_with_its_embeddings_and_layers(kind):
    model, _, _ = own(kind)
    bert = inner_bert(model)
    assert find_embedding(model) is bert.embeddings.word_embeddings
    assert first_layer(model, None) is bert.encoder.layer[0]
    assert encoder_of(model, None) is bert


# Every method on every other kind of model, in turn: what a method does and how its place is found hardly meet.
IN_TURN = [(name, kind) for i, name in enumerate(METHODS) for j, kind in enumerate(OWN) if (i + j) % 2 == 0]


@pytest.mark.parametrize(("name", "kind"), IN_TURN)
def test_every_method_trains_a_model_around_an_encoder_without_a_name(name, kind):
    model, batch, options = own(kind)
    bert = inner_bert(model)
    before = state_of(unwrapped(model))
    real, embedding = batch["attention_mask"].bool(), bert.embeddings.word_embeddings
    method = METHODS[name](**({"init_mag": 0.1} if name == "freeat" else {}))
    told = []
    outputs = outputs_of(embedding, lambda: told.append(gradients(method, model, batch, **options)))
    ((found, objective),) = told
    shifts = [output - F.embedding(batch["input_ids"], embedding.weight.detach()) for output in outputs]
    assert torch.isfinite(objective)
    assert state_of(unwrapped(model)) == before
    assert any(key.endswith("word_embeddings.weight") for key in found)
    if name in ON_EMBEDDINGS:
        assert shifts[-1][real].abs().sum(-1).min() > 0
        assert not any(shift[~real].any() for shift in shifts)


@pytest.mark.parametrize("name", ["fgm", "freelb", "awp", "smart", "creat", "yopo"])
def test_a_name_finds_the_same(name):
    model, batch, _ = own("mean pooling")
    told, _ = gradients(METHODS[name](), model, batch)
    names = {"emb_name": r"^backbone\.embeddings\.word_embeddings"} if name in having("emb_name") else {}
    names |= {"layer_name": "^backbone$" if name == "creat" else r"layer\.0$"} if name in having("layer_name") else {}
    named, _ = gradients(METHODS[name](**names), model, batch)
    assert all(torch.equal(named[key], value) for key, value in told.items())


def test_one_with_embeddings_alone_is_told_which_there_are():
    class Two(LSTM):
        def __init__(self):
            super().__init__()
            self.place = nn.Embedding(9, 16)

    batch = (text_batch()["input_ids"], text_batch()["attention_mask"].sum(1), text_batch()["labels"])
    with pytest.raises(
        AttackError, match=r"cannot find the input embeddings of LSTM: set emb_name; .* are embedding\.weight$"
    ):
        FGM().backward(LSTM(), batch, forward=of_tuple)
    with pytest.raises(AttackError, match=r"cannot find the input embeddings of Two: .* embedding\.weight, place\.weight$"):
        FGM().backward(Two(), batch, forward=of_tuple)


# The others look into layers, and an LSTM gives packed states.
@pytest.mark.parametrize("name", [name for name in ON_EMBEDDINGS if name not in having("layer_name")])
def test_a_recurrent_net_is_trained_by_its_name(name):
    model = LSTM()
    batch = (text_batch()["input_ids"], text_batch()["attention_mask"].sum(1), text_batch()["labels"])
    clean, _ = gradients(METHODS["none"](), model, batch, forward=of_tuple)
    settings = {"init_mag": 0.1} if name == "freeat" else {}
    found, _ = gradients(METHODS[name](emb_name="embedding", **settings), model, batch, forward=of_tuple)
    assert any(not torch.equal(found[key], value) for key, value in clean.items())
