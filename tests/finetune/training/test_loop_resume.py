"""A run that is taken up from a snapshot ends as the undisturbed one does, bit for bit."""

import pytest
import torch
from helpers.small_tasks import assert_same_state, history_of, reviews_task, state_of

from adv import AWP, FGM, METHODS, Clean
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.loop import Training

FILE = "epoch-{}.safetensors"
# What a method keeps is seen after the first epoch; three of them show that it does not matter after which.
RUNS = [
    (precision, name, epochs, accumulation)
    for precision, names, epochs, accumulation in (
        ("fp32", METHODS, 2, 1),
        ("fp16", ("none", "fgm", "awp"), 3, 2),
        ("bf16", ("awp",), 3, 1),
    )
    for name in names
]


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe())


def numbers_of(training):
    return [(epoch["number"], epoch["metrics"], epoch["loss"]) for epoch in history_of(training)]


@pytest.mark.parametrize(("precision", "name", "epochs", "accumulation"), RUNS)
def test_resuming_after_any_epoch(bench, tmp_path, precision, name, epochs, accumulation):
    recipe = Recipe(
        epochs=epochs, precision=precision, batch_size=32 // accumulation, gradient_accumulation=accumulation
    )  # two steps an epoch
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
        if precision == "fp16":
            assert resumed.precision.scaler.state_dict() == whole.precision.scaler.state_dict()


def test_what_an_epoch_reported_survives_the_file(bench, tmp_path):
    recipe = Recipe(epochs=2)
    training = Training(bench, recipe, FGM())
    first = next(training.epochs())
    training.save(tmp_path / FILE)
    resumed = Training(bench, recipe, FGM())
    assert resumed.load(tmp_path / FILE)
    assert next(resumed.epochs()) == first


@pytest.mark.parametrize("method", [FGM(start_epoch=1), AWP(start_epoch=1)])
def test_clean_epochs_of_another_run_serve_as_ones_own(bench, tmp_path, method):
    recipe = Recipe(epochs=2)
    plain, own, borrowed = Training(bench, recipe, Clean()), Training(bench, recipe, method), Training(bench, recipe, method)
    next(plain.epochs())
    plain.save(tmp_path / FILE)
    list(own.epochs())
    assert borrowed.load(tmp_path / FILE)
    list(borrowed.epochs())
    assert_same_state(state_of(borrowed), state_of(own))
    assert numbers_of(borrowed) == numbers_of(own)


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
