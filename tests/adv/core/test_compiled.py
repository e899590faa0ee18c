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
    the_layers,
    to_compile,
)
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import gradients, plain_step, state_of

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
            inner = to_compile()
            model = way(inner)
            gradients(Clean(), model, batch_for(inner))
            kept[way] = model, inner
        return kept[way]

    yield get
    torch.compiler.reset()


# Every method with one way here and the other there: what a method does and where compiled code is found hardly meet.
IN_TURN = [(name, WAYS[i % 2]) for i, name in enumerate(METHODS)]
OTHERWISE = [(name, WAYS[(i + 1) % 2]) for i, name in enumerate(METHODS) if name != "none"]


@pytest.mark.parametrize(("name", "way"), IN_TURN)
def test_every_method_does_the_same_on_a_compiled_model_after_a_clean_pass(name, way, warmed):
    check(name, *warmed(way))


@pytest.mark.parametrize(("name", "way"), OTHERWISE)
def test_every_method_does_the_same_on_a_compiled_model_that_has_never_run(name, way):
    inner = build("bert")
    model = way(inner)
    before = state_of(inner)
    found, objective = gradients(METHODS[name](), model, batch_for(inner))
    expected, wanted = plain_step(name)
    assert torch.equal(objective, wanted)
    assert [torch.equal(f, e) for f, e in zip(found.values(), expected.values(), strict=True)] == [True] * len(expected)
    assert state_of(inner) == before


PLACES = [a_part, parts_in_place, the_layers, in_data_parallel, for_autograd]


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for i, name in enumerate(FEW) for j, way in enumerate(PLACES) if (i + j) % 2 == 0]
)
def test_parts_and_wrappers_may_be_compiled(name, way, warmed):
    check(name, *warmed(way))
