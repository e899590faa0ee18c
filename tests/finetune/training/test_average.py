"""Averages by themselves: what they are of, and that swapping them in leaves no trace."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from finetune.config import Recipe
from finetune.training.average import Average

STEPS = 20
EMA, SWA = Recipe(average="ema", half_life=0.1), Recipe(average="swa", swa_start=0.0)
BETA = 0.5**0.5
KINDS = pytest.mark.parametrize("recipe", [EMA, SWA], ids=["ema", "swa"])
PATHS = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=STEPS)


class One(nn.Module):
    """A model of one weight."""

    def __init__(self, value=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([float(value)]))


def walked(recipe, path, steps=STEPS):
    """The average after the weight has been at every value of the path."""
    model = One()
    average = Average(model, recipe, steps)
    for step, value in enumerate(path):
        model.weight.data.fill_(value)
        average.update(step)
    return average, model


def mean_of(average):
    return average.mean[0].item()


def network():
    """Weights, a frozen weight, a tied one, statistics that are floats, and a count that is none."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.Linear(4, 3))
    model[2].weight.requires_grad_(False)
    model[3].weight = model[2].weight
    return model


def trained(recipe, steps=6):
    """A network and its average after a few steps with large strides."""
    model = network()
    average = Average(model, recipe, STEPS)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(steps):
        model[3](model[:2](torch.randn(8, 3))).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        average.update(step)
    return model, average


def bits(model):
    return {name: (value.data_ptr(), value.clone()) for name, value in model.state_dict().items()}


def assert_same_bits(one, other):
    for name, (place, value) in one.items():
        assert place == other[name][0]
        assert torch.equal(value, other[name][1]), name


def test_ema_by_hand():
    average, _ = walked(EMA, [0, 1, 2, 4])
    mean = 0.0
    for count, value in enumerate([1, 2, 4], start=1):
        beta = min(BETA, (1 + count) / (10 + count))
        mean = beta * mean + (1 - beta) * value
    assert mean_of(average) == pytest.approx(mean, rel=1e-6)
    assert average.count == 4


@pytest.mark.parametrize(("half_life", "steps"), [(0.02, 1000), (0.2, 500), (0.002, 5000)])
def test_what_a_step_gave_has_halved_after_the_half_life(half_life, steps):
    recipe, after = Recipe(average="ema", half_life=half_life), round(half_life * steps)
    # Enough steps for the warm-up to be over, then one at 1, then the half-life at 0.
    warm = round(11 / (1 - 0.5 ** (1 / after)))
    one, _ = walked(recipe, [0.0] * warm + [1.0], steps)
    later, _ = walked(recipe, [0.0] * warm + [1.0] + [0.0] * after, steps)
    assert mean_of(later) / mean_of(one) == pytest.approx(0.5, rel=1e-3)


def test_early_weights_do_not_linger():
    recipe = Recipe(average="ema", half_life=0.2)
    average, _ = walked(recipe, [1000.0] + [0.0] * 100, steps=5000)
    assert mean_of(average) < 1e-6


def test_a_half_life_that_vanishes_keeps_the_last_weights():
    average, _ = walked(Recipe(average="ema", half_life=1e-300), [1, 1e30, -3.7])
    assert mean_of(average) == torch.tensor(-3.7).item()


@given(path=PATHS)
def test_swa_is_the_mean_of_its_points_in_any_order(path):
    average, _ = walked(SWA, path)
    assert mean_of(average) == pytest.approx(np.mean(path), rel=1e-6, abs=1e-4)
    turned, _ = walked(SWA, path[::-1])
    assert mean_of(turned) == pytest.approx(mean_of(average), rel=1e-6, abs=1e-4)
    assert average.count == len(path)


@KINDS
@given(path=PATHS)
def test_the_mean_lies_among_the_weights(recipe, path):
    average, _ = walked(recipe, path)
    slack = 1e-6 * max(map(abs, path))
    assert min(path) - slack <= mean_of(average) <= max(path) + slack


@KINDS
@pytest.mark.parametrize("value", [0.1, -1e-40, 3e38])
def test_weights_that_stay_are_their_own_mean_bit_for_bit(recipe, value):
    for count in (1, 2, STEPS):
        average, model = walked(recipe, [value] * count)
        assert torch.equal(average.mean[0], model.weight)


def test_swa_takes_the_last_part_only_and_never_nothing():
    path = list(range(STEPS))
    last_six, _ = walked(Recipe(average="swa", swa_start=0.7), path)
    assert (last_six.count, mean_of(last_six)) == (6, pytest.approx(16.5))
    last, model = walked(Recipe(average="swa", swa_start=0.999), path)
    assert last.count == 1
    assert torch.equal(last.mean[0], model.weight)


@KINDS
def test_parameters_and_floating_buffers_are_averaged_tied_ones_once_counts_are_not(recipe):
    model, average = trained(recipe)
    moving = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight", "3.bias"}
    assert set(average.live) == moving | {"2.bias"}
    before = model[1].num_batches_tracked.item()
    with average.swapped():
        assert model[1].num_batches_tracked.item() == before == 6
        assert model[3].weight is model[2].weight


@KINDS
def test_within_the_swap_the_model_is_the_mean_in_place_and_afterwards_itself(recipe):
    model, average = trained(recipe)
    before, mean = bits(model), [value.clone() for value in average.mean]
    with average.swapped():
        for value, kept in zip(average.live.values(), mean, strict=True):
            assert torch.equal(value, kept)
        assert {name: place for name, (place, _) in bits(model).items()} == {name: b[0] for name, b in before.items()}
        assert not torch.equal(model[0].weight, before["0.weight"][1])
    assert_same_bits(bits(model), before)
    assert all(torch.equal(value, kept) for value, kept in zip(average.mean, mean, strict=True))


@KINDS
def test_an_exception_within_the_swap_leaves_no_trace(recipe):
    model, average = trained(recipe)
    before = bits(model)
    with pytest.raises(KeyboardInterrupt), average.swapped():
        raise KeyboardInterrupt
    assert_same_bits(bits(model), before)


def test_swapping_twice_keeps_even_what_is_no_number():
    average, model = walked(EMA, [1.0, float("nan")])
    average.mean[0].fill_(float("-inf"))
    average.swap()
    assert model.weight.item() == float("-inf")
    average.swap()
    assert model.weight.isnan().all()
    assert mean_of(average) == float("-inf")


def test_without_an_average_or_before_it_begins_nothing_happens():
    for recipe in (Recipe(), Recipe(average="swa", swa_start=0.9)):
        average, model = walked(recipe, [1.0, 2.0])
        with average.swapped():
            assert model.weight.item() == 2.0
        assert average.state_dict() == {}


@KINDS
def test_the_state_is_enough_to_go_on(recipe):
    path = [1.0, 5.0, 2.0, 7.0, 3.0]
    whole, _ = walked(recipe, path)
    half, model = walked(recipe, path[:3])
    resumed = Average(model, recipe, STEPS)
    resumed.load_state_dict(half.state_dict())
    half.mean[0].fill_(100)
    for step, value in enumerate(path[3:], start=3):
        model.weight.data.fill_(value)
        resumed.update(step)
    assert torch.equal(resumed.mean[0], whole.mean[0])
    assert resumed.count == whole.count
    resumed.load_state_dict({})
    assert (resumed.count, resumed.mean) == (0, [])
