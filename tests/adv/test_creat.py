"""CreAT: the ascent also turns the representation away: ``max J(e + delta) - reg_weight * cos(h(e + delta), h(e))``."""

import pytest
import torch
from helpers.by_hand import ascend, beats_random, bitwise, inside, loss_at, passes_of, same, slopes_of, spoiled, unmasked
from helpers.tiny_models import Bag, batch_for, build, grads_of, trained_bag
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from adv import AttackError, CreAT
from adv.creat import pooled

ON_BAG = {"layer_name": "^dropout$"}


def turned_away(model, batch, shift, reg_weight, pool="first"):
    """What the ascent maximises, by hand; on a Bag the representation is the embedded text."""
    clean = model.embedding(batch["input_ids"]).detach()
    moved = clean + shift
    one, other = (clean[:, 0], moved[:, 0]) if pool == "first" else (clean.mean(1), moved.mean(1))
    cosine = (one * other).sum(1) / one.norm(dim=1) / other.norm(dim=1)
    return loss_at(model, batch, shift) - reg_weight * cosine.mean()


@pytest.mark.parametrize("pool", ["first", "mean"])
@pytest.mark.parametrize("reg_weight", [0.0, 1.0, 30.0])
def test_three_passes_by_hand(reg_weight, pool):
    model = Bag()
    batch = unmasked(batch_for(model))
    method = CreAT(reg_weight=reg_weight, K=3, alpha=0.3, epsilon=0.4, sigma=0.1, pool=pool, **ON_BAG)
    model.zero_grad()
    clean, noise, *others = passes_of(method, model, batch)
    assert not clean.any()
    assert noise.any()
    shift = noise
    for found in others:
        shift = ascend(lambda delta: turned_away(model, batch, delta, reg_weight, pool), shift, 0.3, 0.4)
        torch.testing.assert_close(found, shift, rtol=1e-3, atol=1e-5)
    pair = [slopes_of(model, loss_at(model, batch, at)) for at in (clean, shift)]
    same(grads_of(model), {name: (pair[0][name] + pair[1][name]) / 2 for name in pair[0]})


def test_the_encoder_s_first_token_is_what_transformers_calls_the_last_hidden_state():
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    _, noise, found = passes_of(CreAT(reg_weight=100.0, sigma=0.01, alpha=0.05, epsilon=1.0), model, batch)
    embedded, hidden = model.get_input_embeddings()(batch["input_ids"]).detach(), model.bert(**drop(batch))[0].detach()

    def objective(delta):
        inputs = {"inputs_embeds": embedded + delta, "attention_mask": batch["attention_mask"]}
        loss = model(**inputs, labels=batch["labels"]).loss
        return loss - 100 * F.cosine_similarity(model.bert(**inputs)[0][:, 0], hidden[:, 0]).mean()

    expected = ascend(objective, noise, 0.05, 1.0, mask=batch["attention_mask"][..., None])
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)


def drop(batch):
    return {key: value for key, value in batch.items() if key != "labels"}


def test_the_direction_depends_on_the_weight_of_the_cosine():
    """With none of it, it is one ascent step on the loss from the noise."""
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    plain, little, much = (passes_of(CreAT(reg_weight=weight), model, batch)[-1] for weight in (0.0, 0.1, 10.0))
    cosines = [F.cosine_similarity(plain.flatten(1), other.flatten(1)).min() for other in (little, much)]
    assert 1 > cosines[0] > cosines[1]


def test_one_pass_at_a_perturbation_is_noise_alone():
    model = Bag()
    batch = batch_for(model)
    one = passes_of(CreAT(K=1, reg_weight=5.0, **ON_BAG), model, batch)
    two = passes_of(CreAT(K=2, **ON_BAG), model, batch)
    assert len(one) == 2
    assert torch.equal(one[1], two[1])


def test_the_cosine_does_not_grow_with_the_batch():
    """A mean over the texts, as the loss is: a text's perturbation is the same in a batch that repeats it."""
    model = Bag()
    batch = unmasked(batch_for(model))
    twice = {key: torch.cat([value, value]) for key, value in batch.items()}
    method = CreAT(sigma=0.0, alpha=0.5, epsilon=9.0, reg_weight=3.0, K=3, **ON_BAG)
    once, doubled = passes_of(method, model, batch)[-1], passes_of(method, model, twice)[-1]
    torch.testing.assert_close(doubled, torch.cat([once, once]), rtol=1e-4, atol=1e-5)


@given(
    epsilon=st.floats(1e-3, 5),
    alpha=st.floats(0, 10),
    sigma=st.floats(0, 10),
    reg_weight=st.floats(0, 100),
    count=st.integers(1, 4),
)
@settings(max_examples=25)
def test_stays_in_the_ball_and_off_the_padding(epsilon, alpha, sigma, reg_weight, count):
    model = Bag()
    batch = batch_for(model)
    method = CreAT(epsilon=epsilon, alpha=alpha, sigma=sigma, reg_weight=reg_weight, K=count, **ON_BAG)
    shifts = passes_of(method, model, batch)
    assert len(shifts) == count + 1
    for shift in shifts:
        assert inside(shift, epsilon)
        assert not shift[batch["attention_mask"] == 0].any()


def test_the_mean_of_the_tokens_leaves_padding_out():
    hidden, batch = torch.randn(4, 9, 5), batch_for(Bag())
    expected = torch.stack([hidden[i, :size].mean(0) for i, size in enumerate(batch["attention_mask"].sum(1))])
    torch.testing.assert_close(pooled(hidden, batch, "mean"), expected)
    assert torch.equal(pooled(hidden, batch, "first"), hidden[:, 0])


@pytest.mark.parametrize("reg_weight", [0.0, 1.0])
def test_raises_what_it_maximises_and_beats_a_random_direction(reg_weight):
    model, batch = trained_bag()
    method = CreAT(reg_weight=reg_weight, alpha=0.4, epsilon=0.5, sigma=0.001, **ON_BAG)
    shift = passes_of(method, model, batch)[-1]
    start = turned_away(model, batch, torch.zeros_like(shift), reg_weight).detach()

    def rise(delta):
        return turned_away(model, batch, delta, reg_weight) - start

    assert beats_random(rise, shift, batch["attention_mask"][..., None])
    assert loss_at(model, batch, shift) > loss_at(model, batch)


def test_an_overflow_ends_the_attack_of_this_step_alone():
    model = Bag()
    batch = batch_for(model)
    method = CreAT(sigma=0.0, **ON_BAG)
    expected, _ = gradients(method, model, batch)
    with spoiled(model, 2), watch(model) as seen:
        method.backward(model, batch)
    assert not seen.shift.any()
    assert method.diagnostics()["nonfinite"] == 1
    bitwise(gradients(method, model, batch)[0], expected)


def test_a_model_that_does_not_tell_its_encoder_is_an_error():
    model = Bag()
    with pytest.raises(AttackError, match="cannot find the encoder of Bag: set layer_name to it"):
        CreAT().backward(model, batch_for(model))
