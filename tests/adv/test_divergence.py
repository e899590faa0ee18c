"""The distances between predictions, against torch's distributions and closed forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Bag, build
from torch.distributions import Categorical, kl_divergence

from adv.ball import largest
from adv.divergence import detached_pair, distance_of, divergence, symmetric

DISTANCES = ["kl", "bernoulli", "mse"]


def pair(*shape, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(shape, generator=generator) * scale for _ in range(2))


def by_hand(one, other, distance):
    """One number a text."""
    if distance == "kl":
        return kl_divergence(Categorical(logits=one), Categorical(logits=other))
    if distance == "bernoulli":
        # torch's Bernoulli saturates: here as two classes each.
        return by_hand(*(torch.stack([side, torch.zeros_like(side)], -1) for side in (one, other)), "kl").sum(-1)
    return ((one - other) ** 2).mean(-1)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_is_the_mean_over_the_texts(distance, scale):
    one, other = pair(5, 4, scale=scale)
    found = divergence(one, other, distance)
    torch.testing.assert_close(found, by_hand(one, other, distance).mean(), rtol=1e-4, atol=1e-6)
    assert found.shape == ()


@pytest.mark.parametrize("distance", DISTANCES)
def test_predictions_of_tokens_count_where_the_mask_is_one(distance):
    one, other = pair(3, 6, 4)
    mask = (torch.arange(6) < torch.tensor([6, 2, 4])[:, None]).float()[..., None]
    expected = by_hand(one, other, distance)[mask[..., 0].bool()].mean()
    torch.testing.assert_close(divergence(one, other, distance, mask), expected)
    flat = divergence(one[:, 0], other[:, 0], distance, mask)
    torch.testing.assert_close(flat, by_hand(one[:, 0], other[:, 0], distance).mean())
    assert divergence(one, other, distance, torch.zeros_like(mask)) == 0


@given(
    distance=st.sampled_from(DISTANCES),
    numbers=st.lists(st.floats(-50, 50, width=32), min_size=8, max_size=8),
)
@settings(max_examples=50)
def test_never_below_zero_and_zero_where_equal(distance, numbers):
    one, other = torch.tensor(numbers).view(2, 1, 4)
    assert divergence(one, other, distance) >= -1e-5
    assert divergence(one, one, distance).abs() <= 1e-5
    both = symmetric(one, other, distance)
    torch.testing.assert_close(both, symmetric(other, one, distance), rtol=1e-4, atol=1e-5)
    assert both.isfinite()


@pytest.mark.parametrize("distance", DISTANCES)
def test_symmetric_is_there_and_back(distance):
    one, other = pair(5, 4)
    there, back = by_hand(one, other, distance).mean(), by_hand(other, one, distance).mean()
    torch.testing.assert_close(symmetric(one, other, distance), there if distance == "mse" else there + back)
    torch.testing.assert_close(detached_pair(one, other, distance), there + back)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_detached_pair_pulls_each_side_towards_the_other_as_it_stands(distance):
    one, other = (side.requires_grad_() for side in pair(5, 4))
    found = torch.autograd.grad(detached_pair(one, other, distance), (one, other))
    at_one = torch.autograd.grad(by_hand(other.detach(), one, distance).mean(), one)[0]
    at_other = torch.autograd.grad(by_hand(one.detach(), other, distance).mean(), other)[0]
    torch.testing.assert_close(found, (at_one, at_other))


def test_the_distance_follows_what_the_model_predicts():
    logits = torch.zeros(4, 3)
    assert distance_of("auto", Bag(), logits) == "kl"
    assert distance_of("auto", Bag(), torch.zeros(4, 1)) == "mse"
    assert distance_of("bernoulli", Bag(), torch.zeros(4, 1)) == "bernoulli"
    model = build("bert")
    assert distance_of("auto", model, logits) == "kl"
    kinds = {"regression": "mse", "multi_label_classification": "bernoulli", "single_label_classification": "kl"}
    for problem, distance in kinds.items():
        model.config.problem_type = problem
        assert distance_of("auto", model, logits) == distance


def test_the_largest_entry_of_each_token_is_one():
    gradient = torch.randn(3, 5, 4) * torch.logspace(-30, 5, 5)[None, :, None]
    gradient[0, 0] = 0
    found = largest(gradient)
    assert torch.equal(found[0, 0], torch.zeros(4))
    top = found.abs().amax(-1)
    torch.testing.assert_close(top.flatten()[1:], torch.ones(14))
    assert torch.equal(found.sign(), gradient.sign())
    torch.testing.assert_close(largest(gradient * 1000), found)


def test_a_wrapped_model_keeps_its_distance():
    model = build("bert")
    model.config.problem_type = "multi_label_classification"
    logits = torch.zeros(2, 3)
    assert distance_of("auto", model, logits) == distance_of("auto", torch.nn.DataParallel(model), logits) == "bernoulli"
