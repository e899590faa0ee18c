"""YOPO: between whole passes, n ascent steps through the first layer alone, with its output's gradient held fixed."""

import pytest
import torch
from helpers.by_hand import ascend, inside, passes_of, raises_loss, same, slopes_of, spoiled, unmasked
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from adv import PGD, YOPO, AttackError

ON_BAG = {"layer_name": "^dropout$"}


class Deep(Bag):
    """A Bag with a bent first layer, so that the direction through it changes along the way."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh())])

    def bend(self, batch, shift):
        return self.layers[0](self.embedding(batch["input_ids"]) + shift)

    def rest(self, bent, labels):
        logits = self.output(self.dropout(bent).mean(1))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    def forward(self, input_ids, labels, attention_mask=None):
        return self.rest(self.layers[0](self.embedding(input_ids)), labels)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_two_rounds_by_hand(n):
    model = Deep()
    batch = unmasked(batch_for(model))
    whole, expected, bent = torch.zeros(4, 9, 4), [], None

    def loss(shift):
        nonlocal bent
        bent = model.bend(batch, shift)
        bent.retain_grad()
        return model.rest(bent, batch["labels"])["loss"]

    deltas = []
    for number in range(3):
        deltas.append(whole)
        expected.append(slopes_of(model, loss(whole)))
        loss(whole).backward()
        fixed, shift = bent.grad, whole
        for _ in range(n if number < 2 else 0):
            shift = ascend(lambda delta, fixed=fixed: (fixed * model.bend(batch, delta)).sum(), shift, 0.4, 1.5)
            deltas.append(shift)
        whole = shift
    method = YOPO(K=2, n=n, alpha=0.4, epsilon=1.5)
    model.zero_grad()
    with watch(model) as seen:
        found, _ = gradients(method, model, batch)
    # A whole pass is at the last inner step's result; inner passes are at those before.
    at = [deltas[0], *deltas[1:n], deltas[n], *deltas[n + 2 : 2 * n + 1], deltas[-1]]
    assert len(seen.passes) == len(at) == 3 + 2 * (n - 1)
    for one, other in zip(seen.passes, at, strict=True):
        torch.testing.assert_close(one.shift, other, rtol=1e-4, atol=1e-5)
    same(found, {name: sum(one[name] for one in expected) / 3 for name in found})


@pytest.mark.parametrize("norm", ["example", "token"])
@pytest.mark.parametrize("family", ["bert", "albert"])
def test_one_inner_step_is_pgd(family, norm):
    model = build(family)
    batch = batch_for(model)
    expected = passes_of(PGD(K=3, alpha=0.3, epsilon=0.7, norm=norm), model, batch)
    found = passes_of(YOPO(K=3, n=1, alpha=0.3, epsilon=0.7, norm=norm), model, batch)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    longer = passes_of(YOPO(K=3, n=2, alpha=0.3, epsilon=0.7, norm=norm), model, batch)
    assert not torch.allclose(longer[-1], found[-1], atol=1e-3)


def test_the_loss_s_scale_does_not_matter():
    model = Deep()
    batch = batch_for(model)
    plain = passes_of(YOPO(), model, batch)
    scaled = passes_of(YOPO(), model, batch, forward=lambda m, b: m(**b)["loss"] * 1000)
    for one, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rounds", "n"), [(1, 1), (2, 3)])
def test_inner_steps_end_at_the_first_layer(rounds, n):
    model = build("bert")
    calls = {}
    layers = {"words": model.get_input_embeddings(), "head": model.classifier}
    for name, module in (layers | {f"layer {i}": layer for i, layer in enumerate(model.bert.encoder.layer)}).items():

        def count(module, args, output, name=name):
            calls[name] = calls.get(name, 0) + 1

        module.register_forward_hook(count)
    method = YOPO(K=rounds, n=n)
    method.backward(model, batch_for(model))
    inner = rounds * (n - 1)
    assert method.cost() == (rounds + 1, rounds + 1, 0, inner, 0)
    assert calls == {"words": rounds + 1 + inner, "layer 0": rounds + 1 + inner, "layer 1": rounds + 1, "head": rounds + 1}


@given(
    epsilon=st.floats(1e-3, 5),
    alpha=st.floats(0, 10),
    init_mag=st.floats(0, 10),
    rounds=st.integers(1, 3),
    n=st.integers(1, 3),
    norm=st.sampled_from(["example", "token"]),
)
@settings(max_examples=25)
def test_stays_in_the_ball_and_off_the_padding(epsilon, alpha, init_mag, rounds, n, norm):
    model = Bag()
    batch = batch_for(model)
    method = YOPO(epsilon=epsilon, alpha=alpha, init_mag=init_mag, K=rounds, n=n, norm=norm, **ON_BAG)
    shifts = passes_of(method, model, batch)
    assert len(shifts) == rounds + 1 + rounds * (n - 1)
    for shift in shifts:
        assert inside(shift, epsilon, norm)
        assert not shift[batch["attention_mask"] == 0].any()


def test_raises_the_loss_and_beats_a_random_direction():
    model, batch = trained_bag()
    assert raises_loss(model, batch, passes_of(YOPO(alpha=0.1, epsilon=0.5, **ON_BAG), model, batch)[-1])


def test_a_first_layer_that_cannot_be_found_is_an_error():
    model, batch = Bag(), batch_for(Bag())
    with pytest.raises(AttackError, match="Bag has no list of layers: set layer_name to its first layer"):
        YOPO().backward(model, batch)
    model.idle = nn.Linear(1, 1)
    with pytest.raises(AttackError, match="Linear was not called in the forward pass: set layer_name"):
        YOPO(layer_name="idle").backward(model, batch)


def test_an_overflow_ends_the_attack_of_this_step_alone():
    model = Bag()
    batch = batch_for(model)
    method = YOPO(K=2, n=2, **ON_BAG)
    expected = passes_of(method, model, batch)
    method.diagnostics()
    for bad in (1, 2, 3):
        with spoiled(model, bad):
            assert all(shift.isfinite().all() for shift in passes_of(method, model, batch))
    assert method.diagnostics()["nonfinite"] >= 2
    assert all(torch.equal(one, other) for one, other in zip(passes_of(method, model, batch), expected, strict=True))
