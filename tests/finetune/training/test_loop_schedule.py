import numpy as np
import pytest
from helpers.small_tasks import reviews_task, train
from hypothesis import given
from hypothesis import strategies as st

from adv import Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.schedules import schedule

ROWS = 24
NO_CLIPPING = 1e9


@pytest.fixture(scope="module")
def bench():
    task = reviews_task()
    made = Bench(task, Recipe())
    made.train = made.encode(task.train.take(np.arange(ROWS)))
    return made


def test_schedule_by_hand():
    assert [schedule(step, 4, 0.0) for step in range(5)] == [1, 3 / 4, 1 / 2, 1 / 4, 0]
    assert [schedule(step, 6, 0.5) for step in range(7)] == [1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3, 0]
    assert schedule(0, 1, 0.9) == 1


@given(steps=st.integers(1, 500), warmup=st.floats(0, 1, exclude_max=True))
def test_schedule_rises_to_one_and_falls_to_zero(steps, warmup):
    shares = [schedule(step, steps, warmup) for step in range(steps)]
    peak = shares.index(max(shares))
    assert max(shares) == 1
    assert min(shares) > 0
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
    assert peak <= max(0, round(steps * warmup) - 1)


@pytest.mark.parametrize(("accumulation", "steps"), [(1, 6), (2, 4)])
def test_the_loop_follows_the_schedule_to_its_end(bench, accumulation, steps):
    recipe = Recipe(epochs=2, batch_size=8, gradient_accumulation=accumulation, warmup=0.5)
    training = train(bench, recipe, Clean())
    assert {int(state["step"]) for state in training.optimiser.state_dict()["state"].values()} == {steps}
    rates = {group["lr"] for group in training.optimiser.param_groups}
    assert rates == {recipe.learning_rate * schedule(steps - 1, steps, 0.5)}
