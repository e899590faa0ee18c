"""The embedding matrix's gradient, added by rows: the bits of autograd's sum, and autograd's own way where it is seen."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny_models import VOCABULARY, Bag, batch_for, build, grads_of
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from adv import FGM, PGD, Clean, FreeLB
from adv.core import rows

pytestmark = pytest.mark.usefixtures("even_small_matrices")
METHODS = {"fgm": FGM(epsilon=0.5, combine="sum"), "pgd": PGD(K=2), "freelb": FreeLB(K=3), "replace": FGM(combine="replace")}


@pytest.fixture
def even_small_matrices(monkeypatch):
    monkeypatch.setattr(rows, "WORTH", 0)


class Wholes(TorchDispatchMode):
    """Counts the gradients that are made in the size of the vocabulary."""

    def __init__(self):
        super().__init__()
        self.made = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.embedding_dense_backward.default:
            self.made += args[2] == VOCABULARY
        return func(*args, **(kwargs or {}))


def step(method, model, batch, times=2):
    """Gradients after micro-batches of one step, and how many gradients had the vocabulary's size."""
    method = replace(method)  # noise is drawn by its own count
    model.zero_grad()
    torch.manual_seed(3)
    with Wholes() as wholes:
        for _ in range(times):
            method.backward(model, batch, share=1 / times)
    return grads_of(model), wholes.made


def by_autograd(method, model, batch):
    """The same step, with a hook on the matrix: autograd delivers every gradient itself."""
    seen = []
    handle = model.get_input_embeddings().weight.register_hook(lambda gradient: seen.append(gradient.shape[0]))
    try:
        found, made = step(method, model, batch)
    finally:
        handle.remove()
    assert len(seen) == made
    return found, made


def padded():
    model = Bag()
    model.embedding = nn.Embedding(VOCABULARY, 4, padding_idx=0)
    return model


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("make", [lambda: build("bert"), lambda: build("gpt2"), Bag, padded, lambda: Bag().double()])
def test_rows_have_the_bits_of_autograd(name, make):
    torch.manual_seed(0)
    model = make()
    batch = batch_for(model)
    batch["input_ids"][1] = batch["input_ids"][0]  # tokens that are often in the batch
    (found, made), (expected, whole) = step(METHODS[name], model, batch), by_autograd(METHODS[name], model, batch)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    # The first pass of a micro-batch shows how often the embeddings are called, and is left to autograd.
    assert (made, whole) == {"fgm": (2, 4), "pgd": (2, 4), "freelb": (2, 6), "replace": (1, 2)}[name]


class Scaled(nn.Embedding):
    def forward(self, input):
        return 2 * super().forward(input)


def hooked(model):
    model.embedding.register_forward_hook(lambda module, args, output: 2 * output)


def scaled(model):
    model.embedding.__class__ = Scaled


def afterwards(model):
    model.embedding.weight.register_post_accumulate_grad_hook(lambda weight: model.calls.append(1))


def clipped(model):
    model.embedding.weight.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))


def sparse(model):
    model.embedding.sparse = True


def twice(model):
    model.dropout.forward = lambda embedded: embedded + model.embedding(torch.tensor([4, 5, 4])).sum(0)


def tied(model):
    model.output = nn.Linear(4, VOCABULARY, bias=False)
    model.output.weight = model.embedding.weight


@pytest.mark.filterwarnings("ignore:the word embeddings")
@pytest.mark.parametrize("change", [hooked, scaled, afterwards, clipped, sparse, twice, tied])
def test_what_is_hooked_to_a_matrix_sees_what_autograd_gives(change):
    torch.manual_seed(0)
    model = Bag()
    change(model)
    batch = batch_for(model)
    parts = []
    for method in (Clean(), FGM(epsilon=0.5, combine="replace"), FGM(epsilon=0.5, combine="sum")):
        model.zero_grad()
        model.calls = []
        method.backward(model, batch)
        parts.append(grads_of(model)["embedding.weight"].to_dense())
    torch.testing.assert_close(parts[2], parts[0] + parts[1], rtol=1e-5, atol=1e-7)
    assert not torch.allclose(parts[0], parts[1])
    assert len(model.calls) == (2 if change is afterwards else 0)


def test_a_frozen_matrix_gets_no_gradient():
    model = Bag()
    model.embedding.weight.requires_grad_(False)
    model.embedding.weight.grad = torch.zeros(VOCABULARY, 4)
    FGM().backward(model, batch_for(model))
    assert not model.embedding.weight.grad.any()
    assert model.output.weight.grad.any()
