"""What else is compiled: a user's forward, clean training; what is told, and which names compiled parts go by."""

import warnings

import pytest
import torch
from helpers.compiled_ways import FEW, OTHERS, WAYS, in_place, to_compile
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import gradients, plain_step

from adv import AWP, FGM, METHODS, AttackError, Clean
from adv.core.modules import encoder_of, first_layer, named_module, unwrapped
from adv.core.shift import find_embedding
from adv.core.weights import find_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore:the model is compiled"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # torch's own, while it compiles a layer
]


TOLD = "attacked passes run it uncompiled"


def test_a_users_compiled_forward_sees_the_perturbation():
    def forward(model, batch):
        return model(**batch)

    inner, plain = to_compile(), to_compile()
    compiled = torch.compile(forward, backend="eager")
    torch.manual_seed(1)
    compiled(inner, batch_for(inner))
    for name in FEW:
        found, _ = gradients(METHODS[name](), inner, batch_for(inner), forward=compiled)
        expected, _ = gradients(METHODS[name](), plain, batch_for(plain))
        assert all(torch.equal(found[key], value) for key, value in expected.items())
    torch.compiler.reset()


@pytest.mark.parametrize("name", FEW)
def test_a_training_step_that_is_compiled_as_a_whole_does_the_same(name):
    inner = build("bert")
    method = METHODS[name]()

    @torch.compile(backend="eager")
    def step(batch):
        return method.backward(inner, batch)

    torch.manual_seed(3)
    objective = step(batch_for(inner))
    expected, wanted = plain_step(name)
    assert torch.equal(objective, wanted)
    assert all(torch.equal(inner.get_parameter(key).grad, value) for key, value in expected.items())
    torch.compiler.reset()


def test_what_is_lost_is_told_once_and_only_where_something_is_compiled():
    model = build("bert")
    batch = batch_for(model)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        FGM().backward(model, batch)
        assert [str(one.message) for one in seen if TOLD in str(one.message)] == []
        compiled = in_place(model)
        for _ in range(3):
            FGM().backward(compiled, batch)
            AWP().backward(compiled, batch)
        assert len([one for one in seen if TOLD in str(one.message)]) == 1
        assert [str(one.message) for one in seen if TOLD not in str(one.message)] == []


def test_clean_training_stays_compiled():
    runs = []

    def backend(graph, inputs):
        def run(*args):
            runs.append(1)
            return graph.forward(*args)

        return run

    inner = to_compile()
    model = torch.compile(inner, backend=backend)
    Clean().backward(model, batch_for(inner))
    count = len(runs)
    assert count
    FGM().backward(model, batch_for(inner))
    assert len(runs) == count
    Clean().backward(model, batch_for(inner))
    assert len(runs) == 2 * count
    torch.compiler.reset()


@pytest.mark.parametrize("way", [*WAYS, *OTHERS])
def test_names_and_places_are_those_of_the_plain_model(way):
    plain, inner = build("bert"), build("bert")
    model = way(inner)
    for pattern in (r"^bert\.embeddings\.word_embeddings\.weight$", "weight", r"^bert.*layer\.1\.", r"^classifier"):
        assert list(find_weights(model, pattern)) == list(find_weights(plain, pattern))
        for name, parameter in find_weights(model, pattern).items():
            assert parameter.shape == plain.get_parameter(name).shape
    with pytest.raises(AttackError, match=r"BertForSequenceClassification \(it has bert\.embeddings\.word"):
        find_weights(model, "_orig_mod")
    bert = unwrapped(unwrapped(model).bert)
    layer = unwrapped(bert.encoder.layer[0])
    assert unwrapped(model) is inner
    assert find_embedding(model) is find_embedding(model, r"^bert\.embeddings\.word_emb") is bert.embeddings.word_embeddings
    assert first_layer(model, None) is first_layer(model, r"^bert\.encoder\.layer\.0$") is layer
    assert encoder_of(model, None) is named_module(model, r"^bert$") is bert
