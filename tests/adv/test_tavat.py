"""TAVAT: a text part and a token part; the token part comes from a table that is kept from batch to batch."""

import pytest
import torch
from helpers.by_hand import (
    bitwise,
    inside,
    lengths,
    loss_at,
    passes_of,
    raises_loss,
    same,
    slope_at,
    slopes_of,
    spoiled,
    unit,
    unmasked,
)
from helpers.tiny_models import Bag, batch_for, build, grads_of, trained_bag
from helpers.watched_steps import gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from adv import TAVAT, AttackError, Clean


def into_ball(text, token, epsilon):
    share = (epsilon / lengths(text + token)).clamp_max(1)
    return text * share, token * share


@pytest.mark.parametrize(("epsilon", "alpha", "count"), [(5.0, 0.3, 2), (0.4, 0.3, 3), (0.2, 0.01, 2)])
def test_a_step_by_hand(epsilon, alpha, count):
    model = Bag()
    batch = unmasked(batch_for(model))
    ids, table = batch["input_ids"], torch.randn(60, 4)
    method = TAVAT(epsilon=epsilon, alpha=alpha, K=count, init_mag=0.0)
    method.load_state_dict({"table": table})
    token = table[ids] / table[ids].norm()
    text, token = into_ball(torch.zeros_like(token), token, epsilon)
    shifts, expected = [text + token], []
    for number in range(count):
        expected.append(slopes_of(model, loss_at(model, batch, shifts[-1])))
        if number + 1 < count:
            gradient = slope_at(lambda delta: loss_at(model, batch, delta), shifts[-1])
            moved = token + alpha * gradient / gradient.norm(dim=2, keepdim=True)
            share = moved.norm(dim=2, keepdim=True) / moved.norm(dim=2).amax(1)[:, None, None]
            assert share.min() >= 0
            torch.testing.assert_close(share.amax(1), torch.ones(4, 1))
            text, token = into_ball(text + alpha * unit(gradient), moved * share, epsilon)
            shifts.append(text + token)
    found = passes_of(method, model, batch)
    for one, other in zip(found, shifts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    same(grads_of(model), {name: sum(one[name] for one in expected) / count for name in expected[0]})
    kept, expected_table = method.state_dict()["table"], table.clone()
    for word in ids.unique():
        expected_table[word] = token[ids == word].mean(0)
    torch.testing.assert_close(kept, expected_table, rtol=1e-4, atol=1e-6)


def test_the_table_starts_small_and_at_random():
    model = Bag(hidden=16)
    method = TAVAT(init_mag=0.4, K=1)
    method.backward(model, batch_for(model))
    table = method.state_dict()["table"]
    assert table.shape == (60, 16)
    assert 0.99 * 0.1 < table.abs().max() <= 0.1
    assert table.mean().abs() < 0.01


def test_one_pass_of_an_empty_table_is_clean_training_bit_for_bit():
    model = build("bert")
    batch = batch_for(model)
    expected, _ = gradients(Clean(), model, batch)
    found, _ = gradients(TAVAT(K=1, init_mag=0.0), model, batch)
    bitwise(found, expected)


@given(epsilon=st.floats(1e-3, 5), alpha=st.floats(0, 10), init_mag=st.floats(0, 10), count=st.integers(1, 4))
@settings(max_examples=25)
def test_stays_in_the_ball_and_off_the_padding(epsilon, alpha, init_mag, count):
    model = Bag()
    batch = batch_for(model)
    method = TAVAT(epsilon=epsilon, alpha=alpha, init_mag=init_mag, K=count)
    for _ in range(2):
        shifts = passes_of(method, model, batch)
        assert len(shifts) == count
        for shift in shifts:
            assert inside(shift, epsilon)
            assert not shift[batch["attention_mask"] == 0].any()


@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_of_other_words_and_of_padding_do_not_change(side):
    model = Bag()
    batch = batch_for(model, side)
    method = TAVAT()
    method.load_state_dict({"table": torch.randn(60, 4)})
    before = method.state_dict()["table"].clone()
    method.backward(model, batch)
    changed = (method.state_dict()["table"] != before).any(1)
    seen = batch["input_ids"][batch["attention_mask"].bool()]
    assert torch.equal(changed.nonzero().flatten(), seen.unique())
    assert not changed[0]


def test_a_pad_token_that_is_a_word_elsewhere_keeps_the_word_s_part():
    model = Bag()
    batch = batch_for(model)
    batch["input_ids"][0, 3] = 0
    method = TAVAT(init_mag=0.0, epsilon=100.0)
    method.backward(model, batch)
    assert method.state_dict()["table"][0].any()


def test_the_table_stays_bounded():
    """Added up, as in the authors' code, it would grow with every step."""
    model, batch = trained_bag()
    method = TAVAT(epsilon=1.0, alpha=0.3)
    largest = []
    for _ in range(60):
        method.backward(model, batch)
        largest.append(float(method.state_dict()["table"].norm(dim=1).max()))
    assert max(largest) <= 1 + 0.3
    assert max(largest[30:]) < 2 * max(largest[:30])


def test_a_resumed_run_goes_on_with_its_table():
    model = Bag()
    batch = batch_for(model)
    one, other = TAVAT(), TAVAT()
    one.backward(model, batch)
    other.load_state_dict(one.state_dict())
    for _ in range(2):
        pairs = zip(passes_of(one, model, batch), passes_of(other, model, batch), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(one.state_dict()["table"], other.state_dict()["table"])
    one.load_state_dict({})
    assert "table" not in one.state_dict()


def test_raises_the_loss_and_beats_a_random_direction():
    model, batch = trained_bag()
    method = TAVAT(alpha=0.2, epsilon=0.5, init_mag=0.0, K=3)
    for _ in range(3):  # also from the table that earlier steps have left
        assert raises_loss(model, batch, passes_of(method, model, batch)[-1])


@pytest.mark.parametrize("bad", [1, 2])
def test_an_overflow_leaves_the_table_as_it_was(bad):
    model = Bag()
    batch = batch_for(model)
    method = TAVAT()
    method.backward(model, batch)
    before = method.state_dict()["table"].clone()
    with spoiled(model, bad):
        method.backward(model, batch)
    assert torch.equal(method.state_dict()["table"], before)
    assert method.diagnostics()["nonfinite"] == 1
    assert all(shift.isfinite().all() for shift in passes_of(method, model, batch))


def test_nothing_is_nan_where_nothing_has_a_gradient():
    model = Bag()
    torch.nn.init.zeros_(model.output.weight)
    method = TAVAT(init_mag=0.0, K=3)
    assert not any(shift.any() for shift in passes_of(method, model, batch_for(model)))
    assert not method.state_dict()["table"].any()


def test_an_embedding_without_a_matrix_is_refused():
    class Hashed(torch.nn.Module):
        def forward(self, ids):
            return ids[..., None].expand(*ids.shape, 4).float().sin().requires_grad_()

    model = Bag()
    batch = batch_for(model)
    model.embedding = Hashed()
    with pytest.raises(AttackError, match="TAVAT keeps a row for each word, but the embedding module has no matrix"):
        TAVAT().backward(model, batch)
