"""The distances between predictions, against torch's distributions and closed forms."""

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import REGULARISED, gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional as F

from adv import METHODS, VAT, AttackError
from adv.core.ball import largest
from adv.core.divergence import detached_pair, distance_of, divergence, symmetric

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


ONES = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
SINGLE = torch.eye(3)[[0, 2, 2, 1]]
LEFT_OUT = torch.where(torch.tensor([[True], [False], [True], [True]]), ONES, -100.0)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (torch.tensor([0, 2, 1, 1]), "kl"),
        (torch.tensor([0, 2, 1, -100]), "kl"),
        (torch.tensor([[0], [2], [1], [1]], dtype=torch.int32), "kl"),
        (ONES, "bernoulli"),
        (ONES.long(), "bernoulli"),
        (ONES.bool(), "bernoulli"),
        (ONES.half(), "bernoulli"),
        (torch.zeros(4, 3), "bernoulli"),
        (LEFT_OUT, "bernoulli"),
        (torch.tensor([[0.5, -1.2, 3.0]] * 4), "mse"),
        (torch.tensor([[1, 5, 3]] * 4), "mse"),
        (torch.tensor([[0.0, 1.0, 2.0]] * 4), "mse"),
        (torch.full((4, 3), -100.0) + torch.tensor([[0.5, 101.0, 103.0]]), "mse"),
    ],
)
@pytest.mark.parametrize("form", ["labels", "label", "targets", "another name", "tuple"])
def test_labels_tell_what_a_model_does_not(labels, expected, form):
    """A head of one's own has no ``problem_type``: labels in the logits' shape are several labels, or several numbers."""
    ids, mask = torch.ones(4, 3, dtype=torch.long), torch.ones(4, 3, dtype=torch.long)
    if form in ("another name", "tuple") and not (labels.is_floating_point() and labels.shape == (4, 3)):
        expected = "kl"  # whole numbers in a shape that ids may have, too, tell nothing without their name
    batch = (ids, mask, labels) if form == "tuple" else {"input_ids": ids, "mask": mask, form: labels}
    assert distance_of("auto", Bag(), torch.zeros(4, 3), batch) == expected


@pytest.mark.parametrize(
    "labels",
    [
        SINGLE,
        SINGLE.long(),
        torch.tensor([[0.2, 0.3, 0.5]] * 4),
        torch.tensor([[0.1, 0.9, 0.9]] * 4),
        torch.tensor([0.0, 2.0, 1.0, 1.0]),
        torch.full((4, 1), 0.5),
        torch.rand(12),
    ],
)
def test_labels_that_may_mean_several_things_are_refused(labels):
    """One-hot rows, shares of classes, numbers in another shape than the logits'."""
    with pytest.raises(AttackError, match=r'do not say how to compare predictions: set distance="kl" .*"bernoulli".*"mse"'):
        distance_of("auto", Bag(), torch.zeros(4, 3), {"input_ids": torch.ones(4, 9), "labels": labels})
    for name in DISTANCES:
        assert distance_of(name, Bag(), torch.zeros(4, 3), {"labels": labels}) == name


def test_predictions_of_tokens_have_labels_of_tokens():
    logits = torch.zeros(2, 5, 3)
    assert distance_of("auto", Bag(), logits, {"labels": torch.ones(2, 5, dtype=torch.long)}) == "kl"
    assert distance_of("auto", Bag(), logits, {"labels": ONES[0].expand(2, 5, 3)}) == "bernoulli"
    assert distance_of("auto", Bag(), logits, {"input_ids": torch.ones(2, 5)}) == "kl"


class Several(Bag):
    """Several labels a text, and no config that says so."""

    def forward(self, input_ids, labels=None, attention_mask=None):
        logits = self.output(self.embedding(input_ids).mean(1))
        loss = None if labels is None else F.binary_cross_entropy_with_logits(logits, labels.float())
        return {"loss": loss, "logits": logits}


@pytest.mark.parametrize("name", REGULARISED)
def test_a_head_for_several_labels_is_compared_label_by_label(name):
    """Also where a batch has no labels, once they have told, and where a later batch alone would not."""
    model = Several()
    batch = batch_for(model) | {"labels": ONES}
    for labels in (ONES, SINGLE):
        one = batch | {"labels": labels}
        auto = METHODS[name]()
        auto.backward(model, batch)
        auto.load_state_dict({})
        told, loss = gradients(auto, model, one)
        named, same_loss = gradients(METHODS[name](distance="bernoulli"), model, one)
        assert torch.equal(loss, same_loss)
        assert all(torch.equal(told[key], value) for key, value in named.items())
    with pytest.raises(AttackError, match="set distance="):
        METHODS[name]().backward(model, batch | {"labels": SINGLE})
    if name == "vat":
        method = VAT(unlabelled=True)
        method.backward(model, batch)
        method.load_state_dict({})
        without = {key: value for key, value in batch.items() if key != "labels"}
        found, _ = gradients(method, model, without)
        expected, _ = gradients(VAT(unlabelled=True, distance="bernoulli"), model, without)
        assert all(torch.equal(found[key], value) for key, value in expected.items())


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
