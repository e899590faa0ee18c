"""Compiled models get the gradients of the model as it is, from every method, warmed by a clean pass or not."""

import pytest
import torch
from helpers.compiled_ways import (
    FEW,
    WAYS,
    a_part,
    check,
    for_autograd,
    in_data_parallel,
    parts_in_place,
    settings_of,
    the_layers,
)
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import gradients, state_of

from adv import METHODS, Clean

pytestmark = [
    pytest.mark.filterwarnings("ignore:the model is compiled"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # torch's own, while it compiles a layer
]


@pytest.fixture(scope="module")
def warmed():
    """Compiled models and what is inside, each made and run once: compiling takes seconds."""
    kept = {}

    def get(way):
        if way not in kept:
            inner = build("bert")
            model = way(inner)
            gradients(Clean(), model, batch_for(inner))
            kept[way] = model, inner
        return kept[way]

    yield get
    torch.compiler.reset()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_does_the_same_on_a_compiled_model_after_a_clean_pass(name, way, warmed):
    check(name, *warmed(way))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in METHODS if name != "none"])
def test_every_method_does_the_same_on_a_compiled_model_that_has_never_run(name, way):
    inner, plain = build("bert"), build("bert")
    model = way(inner)
    before = state_of(inner)
    found, objective = gradients(METHODS[name](**settings_of(name)), model, batch_for(inner))
    expected, wanted = gradients(METHODS[name](**settings_of(name)), plain, batch_for(plain))
    assert torch.equal(objective, wanted)
    assert [torch.equal(f, e) for f, e in zip(found.values(), expected.values(), strict=True)] == [True] * len(expected)
    assert state_of(inner) == before


@pytest.mark.parametrize("way", [a_part, parts_in_place, the_layers, in_data_parallel, for_autograd])
@pytest.mark.parametrize("name", FEW)
def test_parts_and_wrappers_may_be_compiled(name, way, warmed):
    check(name, *warmed(way))
