"""Lengths, directions and projections, for any batch of any shape."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adv.core.ball import Ball, segments

NORMS = ("matrix", "example", "token")


@st.composite
def balls(draw, norms=NORMS):
    """A ball, and a gradient in which some tokens are zero; few ids, so that many tokens are equal."""
    batch, length, hidden = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    ids = torch.randint(0, draw(st.integers(1, 9)), (batch, length), generator=generator)
    mask = (torch.rand(batch, length, 1, generator=generator) < draw(st.sampled_from([0.0, 0.6, 1.0]))).float()
    scale = 10.0 ** draw(st.integers(-12, 12))
    gradient = torch.randn(batch, length, hidden, generator=generator) * scale
    zeros = torch.rand(batch, length, 1, generator=generator) < draw(st.sampled_from([0.0, 0.4, 1.0]))
    return Ball(draw(st.sampled_from(norms)), ids, mask), gradient.masked_fill(zeros, 0)


def rows_of(ball, gradient, vocabulary=10):
    """What an embedding matrix would receive: the gradients of equal tokens summed, by autograd."""
    matrix = torch.zeros(vocabulary, gradient.shape[-1], requires_grad=True)
    (torch.nn.functional.embedding(ball.ids, matrix) * gradient * ball.mask).sum().backward()
    return matrix.grad


def lengths_of(norm, ids, mask, shift):
    """By hand: one length for the rows of the matrix, for each text, or for each token."""
    shift = shift.double() * mask
    if norm == "token":
        return shift.square().sum(2, keepdim=True).sqrt()
    if norm == "example":
        return shift.square().sum((1, 2), keepdim=True).sqrt()
    real = mask[..., 0].bool()
    rows = {int(word): row for word, row in zip(ids[real], shift[real], strict=True)}
    return sum((row.square().sum() for row in rows.values()), torch.zeros((), dtype=torch.double)).sqrt().view(1, 1, 1)


def turned_to(norm, ids, mask, gradient, length=1.0):
    """By hand: a perturbation of this length wherever one is taken, along the gradient; a matrix adds up a word's places."""
    gradient = gradient.double() * mask
    if norm == "matrix":
        matrix = torch.zeros(10, gradient.shape[-1], dtype=torch.double)
        for word, row, real in zip(ids.flatten(), gradient.flatten(0, 1), mask.flatten(), strict=True):
            matrix[word] += row * real
        gradient = matrix[ids] * mask
    return (gradient * length / lengths_of(norm, ids, mask, gradient).clamp_min(1e-300)).float()


@given(balls())
def test_a_direction_has_length_one_or_is_exactly_zero(pair):
    ball, gradient = pair
    unit = ball.unit(gradient)
    expected = turned_to(ball.norm, ball.ids, ball.mask, gradient)
    torch.testing.assert_close(unit, expected, rtol=1e-4, atol=1e-5)
    lengths = lengths_of(ball.norm, ball.ids, ball.mask, unit).float()
    torch.testing.assert_close(lengths, (lengths > 0).float(), rtol=1e-4, atol=0)
    torch.testing.assert_close(ball.length(unit), lengths, rtol=1e-5, atol=0)
    assert torch.isfinite(unit).all()


@given(balls(norms=("example", "token")))
def test_a_direction_points_along_the_gradient(pair):
    ball, gradient = pair
    lengths = (gradient * ball.mask).norm(dim=-1, keepdim=True)
    if ball.norm == "example":
        lengths = (gradient * ball.mask).flatten(1).norm(dim=1)[:, None, None]
    expected = gradient * ball.mask / lengths.clamp_min(1e-30)
    torch.testing.assert_close(ball.unit(gradient), expected, rtol=1e-4, atol=1e-6)


@given(balls(norms=("matrix",)))
def test_a_matrix_direction_is_that_of_the_matrix_gradient(pair):
    ball, gradient = pair
    rows = rows_of(ball, gradient)
    expected = (rows / rows.norm().clamp_min(1e-30))[ball.ids] * ball.mask
    torch.testing.assert_close(ball.unit(gradient), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ball.length(ball.tie(gradient)).reshape(()), rows.norm(), rtol=1e-5, atol=0)


@given(balls(norms=("matrix",)))
def test_equal_tokens_carry_equal_rows(pair):
    ball, gradient = pair
    unit, real = ball.unit(gradient), ball.mask[..., 0].bool()
    for token in ball.ids[real].unique():
        rows = unit[(ball.ids == token) & real]
        assert torch.equal(rows, rows[:1].expand_as(rows))


@given(balls())
def test_padding_is_zero(pair):
    ball, gradient = pair
    padding = ball.mask.expand_as(gradient) == 0
    assert not ball.tie(gradient)[padding].any()
    assert not ball.unit(gradient)[padding].any()


@given(balls())
def test_padding_has_no_say_in_a_direction(pair):
    ball, gradient = pair
    other = torch.where(ball.mask > 0, gradient, gradient * -3 + 1)
    assert torch.equal(ball.unit(gradient), ball.unit(other))


@given(balls(), st.floats(0, 4))
def test_a_projection_is_inside_and_projecting_again_changes_nothing(pair, epsilon):
    ball, gradient = pair
    shift = turned_to(ball.norm, ball.ids, ball.mask, gradient, 2.0)
    inside, cut = ball.project(shift, epsilon)
    lengths = lengths_of(ball.norm, ball.ids, ball.mask, shift)
    assert (lengths_of(ball.norm, ball.ids, ball.mask, inside) <= epsilon * (1 + 1e-5) + 1e-12).all()
    nearest = shift * (epsilon / lengths.clamp_min(1e-30)).clamp_max(1).float()
    torch.testing.assert_close(inside, nearest, rtol=1e-4, atol=1e-6)
    again, _ = ball.project(inside, epsilon)
    torch.testing.assert_close(again, inside, rtol=1e-6, atol=1e-12)
    outside = lengths > epsilon
    assert float(cut) == pytest.approx(float(outside.float().mean()))


@given(balls(), st.floats(2.01, 1e6))
def test_what_is_inside_stays_bit_for_bit(pair, epsilon):
    ball, gradient = pair
    shift = turned_to(ball.norm, ball.ids, ball.mask, gradient, 2.0)
    same, cut = ball.project(shift, epsilon)
    assert torch.equal(same, shift)
    assert cut == 0


@given(balls(), st.floats(0.01, 1))
def test_a_projection_keeps_the_direction(pair, epsilon):
    ball, gradient = pair
    inside, _ = ball.project(turned_to(ball.norm, ball.ids, ball.mask, gradient, 2.0), epsilon)
    expected = turned_to(ball.norm, ball.ids, ball.mask, gradient, epsilon)
    torch.testing.assert_close(inside, expected, rtol=1e-4, atol=1e-5)


@given(balls(norms=("example", "token")), st.randoms(use_true_random=False))
def test_examples_do_not_see_each_other(pair, shuffler):
    ball, gradient = pair
    order = list(range(len(gradient)))
    shuffler.shuffle(order)
    shuffled = Ball(ball.norm, ball.ids[order], ball.mask[order])
    assert torch.equal(shuffled.unit(gradient[order]), ball.unit(gradient)[order])
    alone = Ball(ball.norm, ball.ids[:1], ball.mask[:1])
    assert torch.equal(alone.unit(gradient[:1]), ball.unit(gradient)[:1])


@given(balls(norms=("matrix",)), st.randoms(use_true_random=False))
def test_the_order_of_a_batch_does_not_matter_to_a_matrix(pair, shuffler):
    ball, gradient = pair
    order = list(range(len(gradient)))
    shuffler.shuffle(order)
    shuffled = Ball(ball.norm, ball.ids[order], ball.mask[order])
    torch.testing.assert_close(shuffled.unit(gradient[order]), ball.unit(gradient)[order], rtol=1e-4, atol=1e-6)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_segments_number_equal_ids_alike(values):
    numbers = segments(torch.tensor([values])).tolist()
    assert len(set(numbers)) == len(set(values)) == max(numbers) + 1
    assert len(set(zip(numbers, values, strict=True))) == len(set(values))


def test_shapes_of_lengths():
    ids, mask = torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3, 1)
    shift = torch.ones(2, 3, 4)
    assert {norm: Ball(norm, ids, mask).length(shift).shape for norm in NORMS} == {
        "matrix": (1, 1, 1),
        "example": (2, 1, 1),
        "token": (2, 3, 1),
    }
    # One row, six times: it counts once.
    assert float(Ball("matrix", ids, mask).length(shift)) == 2.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_lengths_of_half_precision_are_taken_in_fp32(dtype):
    ids, mask = torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, 1)
    gradient = torch.full((1, 1, 64), 300.0, dtype=dtype)
    for norm in NORMS:
        ball = Ball(norm, ids, mask)
        assert float(ball.length(gradient)) == 2400.0
        assert ball.unit(gradient).dtype == torch.float32
