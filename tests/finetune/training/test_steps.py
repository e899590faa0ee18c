"""The steps of an epoch, above all where a method replays its batches."""

from collections import Counter

import numpy as np
import pytest
import torch
from helpers.small_tasks import assert_same_state, history_of, reviews_task, state_of, train
from hypothesis import given
from hypothesis import strategies as st

from adv import Clean
from finetune.config import Recipe
from finetune.data.encode import Encoded, train_batches
from finetune.training.bench import Bench
from finetune.training.loop import Training
from finetune.training.schedules import schedule, share_of_peak
from finetune.training.steps import epoch_groups, epoch_steps, total_steps

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe())


class Replaying(Clean):
    """Clean training that wants every batch several times in a row, and notes what it gets."""

    times = 3

    def __init__(self, **settings):
        super().__init__(**settings)
        self.batches, self.seeds, self.rates, self.optimisers, self.ended = [], [], [], [], 0

    @property
    def replays(self):
        return self.times

    def follow(self, optimizer):
        self.optimisers.append(optimizer)

    def backward(self, model, batch, *options, **named):
        self.batches.append(batch)
        self.seeds.append(torch.initial_seed())
        return super().backward(model, batch, *options, **named)

    def after_step(self, model):
        self.ended += 1
        self.rates.append(self.optimisers[0].param_groups[0]["lr"])


def data_of(count):
    """``count`` texts of one to five tokens; a text's first token is its number."""
    ids = torch.arange(count)[:, None].repeat(1, 5)
    return Encoded({"input_ids": ids}, np.arange(count) % 5 + 1, torch.zeros(count), False)


SIZES = {"rows": st.integers(1, 60), "size": st.integers(1, 9), "many": st.integers(1, 3), "replays": st.integers(1, 6)}


@given(start=st.integers(0, 3), cycle=st.integers(0, 2), **SIZES)
def test_as_many_epochs_as_replays_see_all_data_once(rows, size, many, replays, start, cycle):
    data = data_of(rows)
    recipe = Recipe(epochs=40, batch_size=size, gradient_accumulation=many)
    first = start + cycle * replays
    epochs = [epoch_groups(data, recipe, number, start, replays) for number in range(first, first + replays)]
    batches = [tuple(index) for groups in epochs for group in groups for index in group]
    order = {tuple(index) for index in train_batches(data, size, recipe.seed, start + cycle)}
    assert set(batches) == order
    assert all(groups for groups in epochs)
    if replays <= len(order):
        assert sorted(row for index in batches for row in index) == list(range(rows))
    assert all(1 <= len(group) <= many for groups in epochs for group in groups)


@given(epochs=st.integers(1, 6), start=st.integers(0, 2), **SIZES)
def test_positions_rise_through_the_epochs_and_shares_add_up(rows, size, many, replays, epochs, start):
    data, method = data_of(rows), Replaying(start_epoch=start)
    method.times = replays
    recipe = Recipe(epochs=epochs, batch_size=size, gradient_accumulation=many)
    clean = total_steps(data, recipe) / epochs
    positions = []
    for number in range(epochs):
        active = method if number >= start else Clean()
        steps = list(epoch_steps(data, recipe, number, active, CPU))
        assert len(steps) % active.replays == 0
        assert steps[0].position == pytest.approx(number * clean)
        assert sum(micro.share for step in steps for micro in step.micros) == pytest.approx(1)
        for step in steps:
            assert sum(micro.weight for micro in step.micros) == pytest.approx(1)
        positions += [step.position for step in steps]
        if active.replays == 1:
            assert [step.position for step in steps] == [number * clean + i for i in range(len(steps))]
    assert positions == sorted(set(positions))
    assert positions[-1] < total_steps(data, recipe)
    shares = [share_of_peak(position, total_steps(data, recipe), recipe) for position in positions]
    assert all(0 < share <= 1 for share in shares)


def test_every_replay_is_a_step_of_its_own_on_the_same_batch_with_its_own_dropout(bench):
    method = Replaying(start_epoch=1)
    recipe = Recipe(epochs=4, batch_size=8, warmup=0.0)
    training = train(bench, recipe, method)
    # 8 batches: one clean epoch, then 3, 3 and 2 of them, each three times.
    assert method.optimisers == [training.optimiser]
    assert {int(state["step"]) for state in training.optimiser.state_dict()["state"].values()} == {8 + 24}
    assert method.ended == len(method.batches) == 24
    assert [len(method.batches[i : i + 3]) for i in range(0, 24, 3)] == [3] * 8
    for i in range(0, 24, 3):
        assert method.batches[i] is method.batches[i + 1] is method.batches[i + 2]
    assert len({id(batch) for batch in method.batches}) == 8
    assert len(set(method.seeds)) == 24
    seen = Counter(tuple(row[row > 3].tolist()) for batch in method.batches[::3] for row in batch["input_ids"])
    assert seen == Counter(tuple(row[row > 3].tolist()) for row in bench.train.inputs["input_ids"])
    assert method.rates == sorted(method.rates, reverse=True)
    # Epochs 1 to 3 of 4, so from three quarters of the peak on; epoch 3 has six steps.
    assert method.rates[0] == recipe.learning_rate * 3 / 4
    assert method.rates[-1] == pytest.approx(recipe.learning_rate / 4 / 6)


def test_replays_under_accumulation_repeat_the_whole_step(bench):
    method = Replaying()
    training = train(bench, Recipe(epochs=1, batch_size=8, gradient_accumulation=2), method)
    places = [id(batch) for batch in method.batches]
    assert places == places[:2] * 3 + places[6:7] * 3
    assert method.ended == 6
    assert len(set(method.seeds)) == len(method.seeds) == 9
    assert training.history[0].loss > 0


def test_a_run_with_replays_is_taken_up_within_a_cycle(bench, tmp_path):
    recipe = Recipe(epochs=4, batch_size=8, average="ema")
    whole = Training(bench, recipe, Replaying())
    for epoch in whole.epochs():
        whole.save(tmp_path / str(epoch.number))
    for number in range(3):
        resumed = Training(bench, recipe, Replaying())
        assert resumed.load(tmp_path / str(number))
        list(resumed.epochs())
        assert_same_state(state_of(resumed), state_of(whole))
        assert [(e["metrics"], e["loss"]) for e in history_of(resumed)] == [
            (e["metrics"], e["loss"]) for e in history_of(whole)
        ]
        assert resumed.average.count == whole.average.count == 9 + 9 + 6 + 9


def test_one_replay_is_clean_training_bit_for_bit(bench):
    recipe = Recipe(epochs=2, batch_size=8, gradient_accumulation=3)
    once = Replaying()
    once.times = 1
    one, plain = train(bench, recipe, once), train(bench, recipe, Clean())
    assert_same_state(state_of(one), state_of(plain))
    assert [e["loss"] for e in history_of(one)] == [e["loss"] for e in history_of(plain)]


def test_the_rate_of_swa_stays_where_it_is_set():
    recipe = Recipe(average="swa", swa_start=0.5, swa_lr=0.25, warmup=0.2)
    shares = [share_of_peak(position, 10, recipe) for position in range(10)]
    assert shares[:5] == [schedule(position, 10, 0.2) for position in range(5)]
    assert shares[5:] == [0.25] * 5
    assert [share_of_peak(p, 10, recipe.model_copy(update={"average": "ema"})) for p in range(10)] == [
        schedule(p, 10, 0.2) for p in range(10)
    ]


def test_the_loop_trains_at_the_rate_of_swa(bench):
    training = train(bench, Recipe(epochs=2, average="swa", swa_lr=0.3), Clean())
    assert {group["lr"] for group in training.optimiser.param_groups} == {Recipe().learning_rate * 0.3}
