"""NEFTune: one pass at ``e + U(-1, 1) * sigma / sqrt(L * d)``, L the text's own length."""

import pytest
import torch
from helpers.by_hand import bitwise, lengths, loss_at, passes_of, same, slopes_of
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from adv import Clean, NEFTune


def test_a_step_by_hand():
    model = Bag()
    batch = batch_for(model)
    with watch(model) as seen:
        found, loss = gradients(NEFTune(sigma=5.0), model, batch)
    assert [one.backwards for one in seen.passes] == [1]
    expected = loss_at(model, batch, seen.shift)
    torch.testing.assert_close(loss, expected.detach())
    same(found, slopes_of(model, expected))


@given(sigma=st.floats(0, 50), seed=st.integers(0, 100), side=st.sampled_from(["left", "right"]))
@settings(max_examples=25)
def test_every_entry_is_bounded_by_the_text_s_own_length(sigma, seed, side):
    model = Bag()
    batch = batch_for(model, side)
    (shift,) = passes_of(NEFTune(sigma=sigma), model, batch, seed)
    bound = sigma / (batch["attention_mask"].sum(1)[:, None, None] * 4) ** 0.5
    assert (shift.abs() <= bound * (1 + 1e-5) + 1e-6).all()
    assert not shift[batch["attention_mask"] == 0].any()


def test_the_noise_fills_its_range():
    model = Bag(hidden=256)
    batch = batch_for(model)
    (shift,) = passes_of(NEFTune(sigma=3.0), model, batch)
    bound = 3 / (batch["attention_mask"].sum(1) * 256) ** 0.5
    assert (shift.amax((1, 2)) > 0.99 * bound).all()
    assert (shift.amin((1, 2)) < -0.99 * bound).all()
    torch.testing.assert_close(lengths(shift), torch.full((4, 1, 1), 3**0.5), rtol=0.1, atol=0)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_without_noise_it_is_clean_training_bit_for_bit(family):
    model = build(family)
    batch = batch_for(model)
    expected, _ = gradients(Clean(), model, batch)
    bitwise(gradients(NEFTune(sigma=0.0), model, batch)[0], expected)


def test_the_noise_is_new_in_every_step_and_the_same_for_the_same_seed_and_step():
    model = Bag()
    batch = batch_for(model)
    method, again = NEFTune(), NEFTune()
    one, other = (passes_of(method, model, batch)[0] for _ in range(2))
    assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0).abs() < 0.5
    assert torch.equal(passes_of(again, model, batch)[0], one)
    resumed = NEFTune()
    resumed.load_state_dict(again.state_dict())
    assert torch.equal(passes_of(resumed, model, batch)[0], other)
