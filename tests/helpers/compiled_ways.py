"""The ways to compile a model or its parts, and two steps of training on one beside the same on the model as it is."""

from functools import cache

import torch
from torch import nn

from adv import METHODS, Clean
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import having, state_of


def to_compile():
    """BERT with one layer: what is compiled takes half as long."""
    return build("bert", num_hidden_layers=1)


class Wrapped(nn.Module):
    """As ``DistributedDataParallel`` wraps."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, **batch):
        return self.module(**batch)


def outside(model):
    return torch.compile(model, backend="eager")


def in_place(model):
    model.compile(backend="eager")
    return model


def a_part(model):
    model.bert = torch.compile(model.bert, backend="eager")
    return model


def parts_in_place(model):
    model.bert.embeddings.compile(backend="eager")
    model.bert.embeddings.word_embeddings.compile(backend="eager")
    for layer in model.bert.encoder.layer:
        layer.compile(backend="eager")
    return model


def the_layers(model):
    layers = model.bert.encoder.layer
    for number, layer in enumerate(layers):
        layers[number] = torch.compile(layer, backend="eager")
    return model


def in_a_wrapper(model):
    return Wrapped(torch.compile(model, backend="eager"))


def around_a_wrapper(model):
    return torch.compile(Wrapped(model), backend="eager")


def twice_wrapped(model):
    return torch.compile(Wrapped(Wrapped(torch.compile(model, backend="eager"))), backend="eager")


def for_autograd(model):
    return torch.compile(model, backend="aot_eager")


def in_data_parallel(model):
    return nn.DataParallel(torch.compile(model, backend="eager"))


WAYS = [outside, in_place]


OTHERS = [a_part, parts_in_place, the_layers, in_a_wrapper, around_a_wrapper, twice_wrapped, for_autograd, in_data_parallel]


# One of each kind of step, and those that look into layers, norms and rows.
FEW = ["fgm", "freelb", "yopo", "creat", "sift", "awp", "sam", "gradient_penalty"]


def two_steps(method, model, inner):
    """The gradients and objectives of two steps of training, from the same weights."""
    batch = batch_for(inner)
    inner.load_state_dict(without_prefix(to_compile().state_dict(), inner))
    found = []
    optimizer = torch.optim.SGD(inner.parameters(), lr=0.1)
    torch.manual_seed(3)
    for _ in range(2):
        optimizer.zero_grad()
        objective = method.backward(model, batch)
        found.append((objective, [None if p.grad is None else p.grad.clone() for p in inner.parameters()]))
        optimizer.step()
        method.after_step(model)
    return found


def without_prefix(state, inner):
    """The state under the names that compiled parts give it."""
    return dict(zip(inner.state_dict(), state.values(), strict=True))


def settings_of(name):
    return {"K": 2} if name in having("K") else {}


@cache
def on_the_model_as_it_is(name):
    """Two steps, and the loss of clean training after them."""
    plain = to_compile()
    steps = two_steps(METHODS[name](**settings_of(name)), plain, plain)
    torch.manual_seed(5)
    return steps, Clean().backward(plain, batch_for(plain))


def check(name, model, inner):
    expected, clean = on_the_model_as_it_is(name)
    found = two_steps(METHODS[name](**settings_of(name)), model, inner)
    assert len(found) == 2
    for (objective, slopes), (wanted, others) in zip(found, expected, strict=True):
        torch.testing.assert_close(objective, wanted, rtol=1e-6, atol=1e-7)
        for slope, other in zip(slopes, others, strict=True):
            assert (slope is None) == (other is None)
            if slope is not None:
                torch.testing.assert_close(slope, other, rtol=1e-5, atol=1e-7)
    # And the compiled model is as good as before: it trains clean as the plain one does.
    before = state_of(inner)
    torch.manual_seed(5)
    loss = Clean().backward(model, batch_for(inner))
    torch.testing.assert_close(loss, clean, rtol=1e-6, atol=1e-7)
    assert state_of(inner) == before
