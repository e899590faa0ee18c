"""The examples train as the project's own loop does, each with its framework's way of weighing micro-batches."""

import runpy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers.framework_loops import (
    LOOPS,
    METHODS,
    OTHERS,
    Run,
    Told,
    assert_same,
    assert_same_gradients,
    crossed,
    own_loop,
    plain_pytorch,
    tiny_loader,
    tiny_model,
)
from helpers.places import ROOT
from helpers.tiny_models import grads_of

from adv import AttackError, Clean, FreeAT
from finetune.config import Data, Recipe
from finetune.data.encode import train_batches
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.loop import Training

EXAMPLES = ROOT / "examples"
RECIPE = Recipe(epochs=1, batch_size=8, gradient_accumulation=2)
# A hint about speed: the examples' rows are in memory.
pytestmark = pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")


@pytest.mark.parametrize(("loop", "name"), crossed(LOOPS))
def test_gradients_and_weights_are_those_of_the_own_loop(loop, name, tmp_path):
    agree(loop, (METHODS | OTHERS)[name], tmp_path, count=12)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_last_group_that_is_short_of_micro_batches(loop, tmp_path):
    agree(loop, METHODS["fgm"], tmp_path, count=20)


@pytest.mark.parametrize("loop", ["hf_trainer", "lightning_module"])
def test_an_attack_that_begins_within_an_epoch(loop, tmp_path):
    """Two steps an epoch: the frameworks know how much of it is gone."""
    run = agree(loop, partial(METHODS["fgm"], start_epoch=0.5), tmp_path, count=32)
    early = own_loop(Run(flat_model()), METHODS["fgm"](), list(tiny_loader(32)), LOOPS[loop][1])
    late = own_loop(Run(flat_model()), METHODS["fgm"](start_epoch=1), list(tiny_loader(32)), LOOPS[loop][1])
    for other in (early, late):
        with pytest.raises(AssertionError):
            assert_same(run, other)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("loop", LOOPS)
def test_long_gradients_are_clipped_unscaled(loop, precision, tmp_path):
    run = agree(loop, METHODS["fgm"], tmp_path, 12, precision, steep_model)
    norm = torch.nn.utils.get_total_norm(run.seen[0].values())
    assert norm == pytest.approx(1.0, rel=1e-3)


def flat_model():
    return tiny_model(dropout=0.0)


def steep_model():
    model = flat_model()
    model.classifier.weight.data *= 50
    return model


def agree(loop, method, folder, count, precision="fp32", model=flat_model):
    """Both ways over micro-batches of 8 rows, the last one of 4; what the example left."""
    train, shares = LOOPS[loop]
    run, own = Run(model()), own_loop(Run(model()), method(), list(tiny_loader(count)), shares, precision=precision)
    train(run, method(), count, precision, folder)
    assert_same(run, own)
    return run


@pytest.fixture(scope="module")
def bench():
    """12 reviews to train on: two micro-batches, of 8 and of 4."""
    task = load_task(Data(task="reviews", max_train_rows=12))
    few = {name: getattr(task, name).take(np.arange(12)) for name in ("validation", "test")}
    return Bench(replace(task, unlabelled=task.unlabelled[:300], **few), RECIPE)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_those_of_the_training_behind_the_search(bench, name):
    training, other = Training(bench, RECIPE, METHODS[name]()), Training(bench, RECIPE, METHODS[name]())
    for module in (*training.model.modules(), *other.model.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    wanted, run = [], Run(other.model)
    training.optimiser.register_step_post_hook(lambda *_: wanted.append(grads_of(training.model)))
    for _ in training.epochs():
        pass
    indices = train_batches(bench.train, RECIPE.batch_size, RECIPE.seed, 0)
    loader = [bench.train.batch(index, bench.device) for index in indices]
    plain_pytorch.train(run.model, METHODS[name](), loader, run.optimizer, 1, RECIPE.gradient_accumulation)
    assert sorted(len(batch["labels"]) for batch in loader) == [4, 8]
    assert_same_gradients(run.seen, wanted)


# Every loop and every method in both.
HALVES = [(loop, name, ("bf16", "fp16")[(n + m) % 2]) for n, loop in enumerate(LOOPS) for m, name in enumerate(METHODS)]


@pytest.mark.parametrize(("loop", "name", "precision"), HALVES)
def test_half_precision_is_that_of_the_own_loop(loop, name, precision, tmp_path):
    run = agree(loop, METHODS[name], tmp_path, 12, precision)
    full = own_loop(Run(), METHODS[name](), list(tiny_loader(12)), LOOPS[loop][1], epochs=1)
    assert any(not torch.equal(gradient, full.seen[0][key]) for key, gradient in run.seen[0].items()), "ran in fp32"


@pytest.mark.parametrize("loop", LOOPS)
def test_a_method_starts_when_it_says_and_is_told_of_optimiser_and_steps(loop, tmp_path):
    train, _ = LOOPS[loop]
    run, clean, method = Run(), Run(), Told(epsilon=0.5, start_epoch=2)
    train(run, method, 20, "fp32", tmp_path, epochs=4)
    train(clean, Clean(), 20, "fp32", tmp_path, epochs=4)
    assert method.followed == [run.optimizer]
    assert (method.batches, method.taken) == (2 * 3, 2 * 2)
    same = [all(torch.equal(value, b[key]) for key, value in a.items()) for a, b in zip(run.seen, clean.seen, strict=True)]
    assert same == [True] * 4 + [False] * 4


def test_the_plain_loop_replays_a_batch_for_freeat(tmp_path):
    run = Run()
    LOOPS["plain_pytorch"][0](run, FreeAT(K=3), 12, "fp32", tmp_path, epochs=2)
    assert len(run.seen) == 2 * 3


@pytest.mark.parametrize("loop", [name for name in LOOPS if name != "plain_pytorch"])
def test_the_others_refuse_freeat(loop, tmp_path):
    run = Run()
    with pytest.raises(AttackError, match=r"FreeAT needs .* several times"):
        LOOPS[loop][0](run, FreeAT(K=3), 12, "fp32", tmp_path)
    assert not run.seen


@pytest.mark.parametrize("name", LOOPS)
def test_a_script_trains_and_leaves_no_files(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")["model"]
    assert loss_of(trained) < 0.5 * loss_of(tiny_model())
    assert not list(tmp_path.iterdir())


def loss_of(model):
    """Over all rows that the scripts train on, without dropout."""
    with torch.no_grad():
        return sum(float(model.eval()(**batch).loss) for batch in tiny_loader())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path):
    assert len(path.read_text().splitlines()) <= 40
