"""A run of any method goes on from a snapshot as if undisturbed; test_exact.py does it with the options of the recipe."""

import pytest
import torch
from helpers.small_tasks import assert_same_state, history_of, reviews_task, state_of

from adv import FGM, METHODS, Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.loop import Training

FILE = "epoch-{}.safetensors"


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe())


def numbers_of(training):
    return [(epoch["number"], epoch["metrics"], epoch["loss"]) for epoch in history_of(training)]


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_keeps_is_kept(bench, tmp_path, name):
    epochs = 2  # what a method keeps is seen after the first
    recipe = Recipe(epochs=epochs, batch_size=32)
    method = METHODS[name]
    whole = Training(bench, recipe, method())
    for epoch in whole.epochs():
        whole.save(tmp_path / FILE.format(epoch.number), {"trial": 7})
    for number in range(epochs):
        torch.manual_seed(number + 99)
        resumed = Training(bench, recipe, method())
        assert resumed.load(tmp_path / FILE.format(number))
        assert len(resumed.history) == number + 1
        assert [epoch.number for epoch in resumed.epochs()] == list(range(epochs))
        assert_same_state(state_of(resumed), state_of(whole))
        assert numbers_of(resumed) == numbers_of(whole)


def test_what_an_epoch_reported_survives_the_file(bench, tmp_path):
    recipe = Recipe(epochs=2)
    training = Training(bench, recipe, FGM())
    first = next(training.epochs())
    training.save(tmp_path / FILE)
    resumed = Training(bench, recipe, FGM())
    assert resumed.load(tmp_path / FILE)
    assert next(resumed.epochs()) == first


def test_a_file_that_is_absent_or_damaged_changes_nothing(bench, tmp_path):
    recipe = Recipe(epochs=2)
    training = Training(bench, recipe, Clean())
    next(training.epochs())
    training.save(tmp_path / FILE)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-100])
    fresh = Training(bench, recipe, Clean())
    before = {name: value.clone() for name, value in state_of(fresh).items()}
    assert not fresh.load(tmp_path / FILE)
    assert not fresh.load(tmp_path / "none")
    assert_same_state(state_of(fresh), before)
    assert fresh.history == []
