"""Where each method begins: the paper's formula, in plain torch, on the very numbers that torch drew for it."""

import pytest
import torch
from helpers.tiny_models import Bag, batch_for
from helpers.watched_steps import watch

from adv import (
    R3F,
    SMART,
    TAVAT,
    VAT,
    YOPO,
    CreAT,
    FreeAT,
    FreeLB,
    NEFTune,
    RandomDirection,
    RandomWeights,
    SiFT,
)

HIDDEN = 16
SIDES = pytest.mark.parametrize("side", ["right", "left"])


@pytest.fixture
def drawn(monkeypatch):
    """Uniform numbers in (0, 1) and normal ones, as torch gave them, in order."""
    numbers = []

    def keep(real):
        def draw(*args, **kwargs):
            given = real(*args, **kwargs)
            numbers.append(given.clone())
            return given

        return draw

    for name in ("rand", "randn"):
        monkeypatch.setattr(torch, name, keep(getattr(torch, name)))
    return numbers


def seen(method, side="right"):
    """The Bag, its batch, the mask (4, 9, 1), and the perturbation of each pass of one step."""
    model = Bag(hidden=HIDDEN)
    batch = batch_for(model, side)
    with watch(model) as passes:
        method.backward(model, batch)
    return model, batch, batch["attention_mask"][..., None].float(), [one.shift for one in passes.passes]


def sizes_of(mask):
    """How many numbers a text has, padding left out: L * d, (4, 1, 1)."""
    return mask.sum((1, 2), keepdim=True) * HIDDEN


def cut(shift, epsilon):
    """``delta * min(1, epsilon / ||delta||_2)`` for each text."""
    return shift * (epsilon / shift.square().sum((1, 2), keepdim=True).sqrt()).clamp_max(1)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert expected.any()


@SIDES
@pytest.mark.parametrize(("init_mag", "epsilon"), [(0.5, 9.0), (3.0, 0.7), (0.16, 0.14)])
@pytest.mark.parametrize("kind", [FreeLB, FreeAT, YOPO])
def test_uniform_by_the_text_s_own_size_and_in_the_ball(kind, init_mag, epsilon, side, drawn):
    """``U(-1, 1) * init_mag / sqrt(L d)`` (FreeLB, Algorithm 1)."""
    named = {"layer_name": "^dropout$"} if kind is YOPO else {}
    _, _, mask, shifts = seen(kind(init_mag=init_mag, epsilon=epsilon, **named), side)
    uniform = 2 * drawn[0] - 1
    close(shifts[0], cut(uniform * mask * init_mag / sizes_of(mask) ** 0.5, epsilon))


@SIDES
@pytest.mark.parametrize("epsilon", [9.0, 0.1])
def test_uniform_by_the_token_s_size_where_the_ball_is_the_token_s(epsilon, side, drawn):
    _, _, mask, shifts = seen(FreeLB(init_mag=0.5, epsilon=epsilon, norm="token"), side)
    start = (2 * drawn[0] - 1) * mask * 0.5 / HIDDEN**0.5
    close(shifts[0], start * (epsilon / start.norm(dim=2, keepdim=True).clamp_min(1e-30)).clamp_max(1))


@SIDES
@pytest.mark.parametrize("sigma", [0.3, 5.0])
def test_neftune(sigma, side, drawn):
    """``U(-1, 1) * sigma / sqrt(L d)`` (Jain et al., Algorithm 1), in no ball."""
    _, _, mask, shifts = seen(NEFTune(sigma=sigma), side)
    close(shifts[0], (2 * drawn[0] - 1) * mask * sigma / sizes_of(mask) ** 0.5)


@SIDES
@pytest.mark.parametrize(("epsilon", "init_mag"), [(9.0, 0.3), (0.28, 0.1), (0.14, 0.16)])
def test_tavat(epsilon, init_mag, side, drawn):
    """Algorithm 1: V uniform by ``init_mag / sqrt(d)``, its rows over their length in the batch, and FreeLB's start.

    Both together in the ball: the authors' first pass may lie outside.
    """
    _, batch, mask, shifts = seen(TAVAT(epsilon=epsilon, init_mag=init_mag), side)
    table, uniform = (2 * numbers - 1 for numbers in drawn)
    assert table.shape == (60, HIDDEN)
    rows = (table * init_mag / HIDDEN**0.5)[batch["input_ids"]] * mask
    token = rows / rows.square().sum().sqrt()
    text = uniform * mask * init_mag / sizes_of(mask) ** 0.5
    close(shifts[0], cut(text + token, epsilon))


@SIDES
@pytest.mark.parametrize(("epsilon", "sigma"), [(0.1, 0.01), (9.0, 0.01), (0.3, 0.5)])
def test_creat(epsilon, sigma, side, drawn):
    """``N(0, sigma^2)`` in the ball, off the padding: the authors' first pass lies outside, theirs is on padding too."""
    _, _, mask, shifts = seen(CreAT(epsilon=epsilon, sigma=sigma, layer_name="^dropout$"), side)
    assert not shifts[0].any()
    close(shifts[1], cut(drawn[0] * sigma * mask, epsilon))


@SIDES
@pytest.mark.parametrize(("epsilon", "sigma"), [(9.0, 0.2), (0.1, 0.2)])
def test_smart(epsilon, sigma, side, drawn):
    """``N(0, sigma^2)`` (Algorithm 1), every entry in the ball."""
    _, _, mask, shifts = seen(SMART(epsilon=epsilon, sigma=sigma), side)
    assert not shifts[0].any()  # the teacher's pass
    assert not shifts[1].any()
    close(shifts[2], torch.maximum(torch.minimum(drawn[0] * sigma, torch.tensor(epsilon)), torch.tensor(-epsilon)) * mask)


@SIDES
@pytest.mark.parametrize(("count", "size"), [(0, 0.7), (1, 0.05), (2, 0.05)])
def test_vat(count, size, side, drawn):
    """``d`` normal, of length 1 over the text; at xi where the divergence is differentiated, at epsilon at the end."""
    _, _, mask, shifts = seen(VAT(epsilon=0.7, xi=0.05, K=count), side)
    direction = drawn[0] * mask
    close(shifts[1], size * direction / direction.square().sum((1, 2), keepdim=True).sqrt())


@SIDES
@pytest.mark.parametrize(("count", "size"), [(0, 0.7), (1, 0.05)])
def test_alum(count, size, side, drawn):
    """The same with the largest entry of each token as its length."""
    _, _, mask, shifts = seen(VAT(epsilon=0.7, xi=0.05, K=count, form="alum"), side)
    close(shifts[1], size * drawn[0] / drawn[0].abs().amax(2, keepdim=True) * mask)


@SIDES
@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_r3f(noise, side, drawn):
    """``U(-sigma, sigma)`` or ``N(0, sigma^2)`` for each entry (section 3.1)."""
    _, _, mask, shifts = seen(R3F(sigma=0.3, noise=noise), side)
    close(shifts[1], 0.3 * (2 * drawn[0] - 1 if noise == "uniform" else drawn[0]) * mask)


@SIDES
@pytest.mark.parametrize("sigma", [0.01, 0.4])
def test_sift(sigma, side, drawn):
    """``N(0, sigma^2)`` cut at two sigma, in deviations of the embedding: z is added where each token has variance 1."""
    model, batch, mask, shifts = seen(SiFT(sigma=sigma), side)
    z = (drawn[0] * sigma).clamp(-2 * sigma, 2 * sigma)
    assert (z.abs() == 2 * sigma).any()
    embedded = model.embedding(batch["input_ids"]).detach()
    deviation = (embedded - embedded.mean(2, keepdim=True)).square().mean(2, keepdim=True).sqrt()
    close(shifts[1], z * deviation * mask)


@SIDES
@pytest.mark.parametrize("norm", ["matrix", "example", "token"])
def test_the_random_control(norm, side, drawn):
    """``epsilon z / ||z||_2``, z normal; a word's places share one row of the matrix."""
    _, batch, mask, shifts = seen(RandomDirection(epsilon=0.3, norm=norm), side)
    noise = drawn[0] * mask
    if norm == "matrix":
        ids = batch["input_ids"]
        rows = torch.zeros(60, HIDDEN).index_add(0, ids.flatten(), noise.flatten(0, 1))
        noise = (rows / rows.square().sum().sqrt())[ids] * mask
    else:
        axes = (1, 2) if norm == "example" else (2,)
        noise = noise / noise.square().sum(axes, keepdim=True).sqrt().clamp_min(1e-30)
    close(shifts[-1], 0.3 * noise)


@pytest.mark.parametrize(("adv_lr", "adv_eps"), [(0.1, 9.0), (0.1, 0.02)])
def test_the_random_control_of_weights(adv_lr, adv_eps, drawn):
    """AWP's step ``adv_lr ||w|| z / ||z||`` in its box ``w +- adv_eps |w|``, z normal."""
    model = Bag(hidden=HIDDEN)
    batch = batch_for(model)
    with watch(model) as passes:
        RandomWeights(adv_lr=adv_lr, adv_eps=adv_eps, adv_param="^output.weight").backward(model, batch)
    (noise,) = (numbers for numbers in drawn if numbers.shape == model.output.weight.shape)
    weight = model.output.weight.detach()
    step = adv_lr * noise / noise.square().sum().sqrt() * weight.square().sum().sqrt()
    box = adv_eps * weight.abs()
    close(passes.passes[-1].weights["output.weight"], weight + torch.maximum(torch.minimum(step, box), -box))


@pytest.mark.parametrize("kind", [FreeLB, FreeAT, TAVAT])
def test_no_start_is_clean(kind, drawn):
    _, _, _, shifts = seen(kind(init_mag=0.0))
    assert not shifts[0].any()
