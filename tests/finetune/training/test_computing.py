"""Layers that are computed again: the same runs bit for bit, with fewer activations kept; refused where it cannot work."""

from functools import partial

import numpy as np
import pytest
import torch
from helpers.saved_families import folder_of
from helpers.small_tasks import assert_same_state, history_of, numbers_task, reviews_task, state_of, train

from adv import AWP, FGM
from adv.core.compiled import is_compiled
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models import computing
from finetune.training.bench import Bench
from finetune.training.groups import adamw
from finetune.training.keep import keep
from studies.checking.meter import peak_bytes

AGAIN = {"gradient_checkpointing": True}


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A folder with an encoder of four layers."""
    return str(folder_of(tmp_path_factory.mktemp("deep") / "bert", num_hidden_layers=4))


@pytest.mark.parametrize("method", [partial(FGM, start_epoch=1), partial(AWP, attack="fgm")], ids=["fgm", "awp"])
def test_a_run_is_the_same_bit_for_bit(deep, method):
    task = reviews_task()
    runs = []
    for more in ({}, AGAIN):
        recipe = Recipe(model=deep, epochs=2, batch_size=16, learning_rate=1e-3, gradient_accumulation=2, **more)
        bench = Bench(task, recipe)
        bench.train = bench.encode(task.train.take(np.arange(32)))
        runs.append(train(bench, recipe, method()))
    assert history_of(runs[0]) == history_of(runs[1])
    assert_same_state(state_of(runs[0]), state_of(runs[1]))
    assert [run.model.is_activation_checkpointing for run in runs] == [False, True]


@pytest.mark.parametrize("method", [FGM(), AWP()], ids=["fgm", "awp"])
def test_a_step_keeps_fewer_activations(deep, method):
    peaks = []
    for more in ({}, AGAIN):
        recipe = Recipe(model=deep, **more)
        bench = Bench(reviews_task(), recipe)
        model, batch = bench.model_for(recipe).train(), bench.train.batch(np.arange(64), bench.device)
        torch.manual_seed(0)
        peaks.append(peak_bytes(partial(method.backward, model, batch), bench.device))
    assert peaks[1] < 0.6 * peaks[0]


@pytest.mark.parametrize("family", ["Albert", "XLNet", "MPNet"])
def test_a_model_that_cannot_is_refused_when_it_is_read(family, tmp_path):
    folder = str(folder_of(tmp_path / "model", family))
    with pytest.raises(
        UserError, match=rf"gradient_checkpointing=True: {family}\w+ does not support it; a smaller batch_size"
    ):
        Bench(reviews_task(), Recipe(model=folder, **AGAIN))
    Bench(reviews_task(), Recipe(model=folder))


@pytest.mark.parametrize("family", ["GPT2", "Bart"])
def test_other_families_can(family, tmp_path):
    recipe = Recipe(model=str(folder_of(tmp_path / "model", family)), **AGAIN)
    model = Bench(reviews_task(), recipe).model_for(recipe)
    assert model.is_activation_checkpointing


def test_the_built_in_encoder_can():
    one, other = (
        train(Bench(reviews_task(), recipe), recipe, FGM()) for recipe in (Recipe(epochs=1), Recipe(epochs=1, **AGAIN))
    )
    assert_same_state(state_of(one), state_of(other))


@pytest.fixture
def traced(monkeypatch):
    """Compiled without a compiler: traced, and then run as it is."""
    monkeypatch.setattr(computing, "BACKEND", "eager")
    yield
    torch.compiler.reset()


COMPILED = {"compile": True}


def test_a_compiled_model_has_the_names_predictions_gradients_and_files_of_a_plain_one(traced, tmp_path):
    one, other = Recipe(layer_decay=0.8), Recipe(layer_decay=0.8, **COMPILED)
    bench, plain = Bench(numbers_task(1), other, ("robust",)), Bench(numbers_task(1), one)
    model, expected = bench.model_for(other), plain.model_for(one)
    assert is_compiled(model)
    assert not is_compiled(expected)
    assert list(model.state_dict()) == list(expected.state_dict())
    rates = [[group["initial_lr"] for group in adamw(made, one).param_groups] for made in (model, expected)]
    assert rates[0] == rates[1]
    found = bench.score(model, bench.validation, bench.task.validation, other)
    assert found["rmse"] == pytest.approx(plain.score(expected, plain.validation, plain.task.validation, one)["rmse"])
    # The attack of the view is seen by no compiled code: it would score texts as they are.
    assert found["robust_rmse"] > found["rmse"]
    batch = bench.train.batch(np.arange(8), bench.device)
    for made in (model, expected):  # an attack runs uncompiled; nobody is warned of what a line says
        FGM().backward(made.eval(), batch)
    for p, q in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)
    assert keep(bench, model, tmp_path) == []  # units are written into the last layer, which is watched for that
    assert [note for note in bench.notes if note.startswith("compile=True: clean epochs and scores run compiled; attacked")]


def test_without_a_compiler_it_is_refused_in_one_line(monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("No working C++ compiler found\nmore\n")

    monkeypatch.setattr(computing, "BACKEND", broken)
    with pytest.raises(UserError) as error:
        Bench(reviews_task(), Recipe(**COMPILED))
    torch.compiler.reset()
    assert str(error.value).startswith("compile=True needs a C++ compiler that torch can use (such as g++): ")
    assert "No working C++ compiler found" in str(error.value)
    assert "\n" not in str(error.value)


def test_compiled_passes_draw_the_dropout_masks_of_plain_ones():
    assert computing.OPTIONS == {"fallback_random": True}
    assert computing.BACKEND == "inductor"
