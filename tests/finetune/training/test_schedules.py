"""The rate of every step, against torch's and transformers' own schedulers on an optimiser made by hand."""

import math

import pytest
import torch
from helpers.small_tasks import reviews_task, train
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import get_constant_schedule, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from adv import Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.schedules import schedule, set_rates, swa_begins

SHAPES = ("linear", "cosine", "constant")


def by_hand():
    """Two groups with peaks of their own."""
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": lr, "initial_lr": lr} for lr in (0.5, 0.125)]
    return torch.optim.AdamW(groups)


def rates_of(scheduler_of, steps):
    """The rates of each step with one of transformers' schedulers."""
    optimiser = by_hand()
    scheduler = scheduler_of(optimiser)
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(("steps", "rise"), [(1, 0), (2, 0), (10, 0), (10, 3), (37, 36)])
@pytest.mark.parametrize("shape", SHAPES)
def test_behind_the_warmup_every_step_has_the_rate_of_transformers_scheduler(shape, steps, rise):
    optimiser, recipe = by_hand(), Recipe(warmup=rise / steps, schedule=shape)
    there = {
        "linear": lambda made: get_linear_schedule_with_warmup(made, rise, steps),
        "cosine": lambda made: get_cosine_schedule_with_warmup(made, rise, steps),
        "constant": get_constant_schedule,
    }[shape]
    expected = rates_of(there, steps)
    for step in range(steps):
        set_rates(optimiser, step, steps, recipe)
        found = [group["lr"] for group in optimiser.param_groups]
        # Theirs begins with a rate of 0, ours is one step ahead: a first step that changes nothing is a step lost.
        wanted = [0.5 * (step + 1) / rise, 0.125 * (step + 1) / rise] if step < rise else expected[step]
        assert found == pytest.approx(wanted, rel=1e-12), step


def test_cosine_is_torchs_too():
    optimiser, mine = by_hand(), by_hand()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=12)
    for step in range(12):
        set_rates(mine, step, 12, Recipe(warmup=0.0, schedule="cosine"))
        assert [g["lr"] for g in mine.param_groups] == pytest.approx([g["lr"] for g in optimiser.param_groups], rel=1e-6)
        optimiser.step()
        scheduler.step()


@given(
    steps=st.integers(1, 500), warmup=st.floats(0, 1, exclude_max=True), shape=st.sampled_from(SHAPES), part=st.floats(0, 1)
)
def test_every_schedule_stays_above_zero_and_never_above_the_peak(steps, warmup, shape, part):
    position = min(part * steps, steps - 0.5)  # a method that replays batches stands between two steps
    assert 0 < schedule(position, steps, warmup, shape) <= 1


def test_half_way_down_the_wave_is_half_the_peak():
    assert schedule(5, 10, 0.0, "cosine") == pytest.approx(0.5)
    assert schedule(2.5, 10, 0.0, "cosine") == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert schedule(0, 1, 0.9, "cosine") == schedule(0, 1, 0.9, "constant") == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_from_its_start_on_swa_has_its_own_constant_rate(shape):
    recipe = Recipe(average="swa", swa_start=0.5, swa_lr=0.25, warmup=0.2, schedule=shape)
    optimiser, begins = by_hand(), swa_begins(10, recipe)
    for step in range(10):
        set_rates(optimiser, step, 10, recipe)
        share = 0.25 if step >= begins else schedule(step, 10, 0.2, shape)
        assert [group["lr"] for group in optimiser.param_groups] == [0.5 * share, 0.125 * share]
    assert begins == 5


@pytest.mark.parametrize(("shape", "share"), [("cosine", (1 - math.sqrt(0.5)) / 2), ("constant", 1.0)])
def test_the_loop_trains_at_the_rate_of_the_schedule(shape, share):
    bench = Bench(reviews_task(), Recipe())
    training = train(bench, Recipe(epochs=1, batch_size=16, warmup=0.0, schedule=shape), Clean())
    # 64 rows are 4 steps: the last stands at three quarters of the wave.
    for group in training.optimiser.param_groups:
        assert group["lr"] == pytest.approx(4e-3 * share)
