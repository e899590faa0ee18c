"""Exactness of every recipe option: runs resumed bit for bit, clean steps shared, rows and dropout the same for all methods.

A new option is one line in OPTIONS.
"""

from functools import partial

import numpy as np
import pytest
import torch
from helpers.small_tasks import assert_same_state, history_of, state_of, train

from adv import AWP, FGM
from finetune.config import Recipe
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.loop import Training

WORDS = "a the film plot good bad fine dull and very it was is slow great".split()
USUAL = {"epochs": 3, "batch_size": 12, "learning_rate": 0.01}
OPTIONS = {
    "the usual": {},
    "ema": {"average": "ema", "half_life": 0.3},
    "swa": {"average": "swa", "swa_start": 0.2},
    "accumulation": {"batch_size": 7, "gradient_accumulation": 2},
    "bf16": {"precision": "bf16"},
    "ema in fp16": {"average": "ema", "precision": "fp16", "batch_size": 7, "gradient_accumulation": 2},
    "warmup": {"warmup": 0.8},
    "clipping": {"max_grad_norm": 0.05},
    "weight decay": {"weight_decay": 0.9},
    "cosine": {"schedule": "cosine"},
    "layer decay": {"layer_decay": 0.7, "head_learning_rate": 0.05},
    "focal": {"loss": "focal", "focal_gamma": 1.0, "batch_size": 7, "gradient_accumulation": 2},
    "layers computed again": {"gradient_checkpointing": True, "precision": "bf16", "schedule": "cosine"},
    "smoothing": {"label_smoothing": 0.2, "class_weights": "balanced"},
    "two evaluations an epoch": {"evals_per_epoch": 2},
    "attention head": {"pooling": "attention"},
    "head dropout": {"head_dropout": 0.5},
    "several dropout samples": {"pooling": "last-layers", "multi_sample": 3, "head_dropout": 0.3},
    "frozen embeddings": {"freeze_embeddings": True, "average": "ema"},
    "frozen layers": {"freeze_layers": 1, "pooling": "mean", "learning_rate": 0.1},
    "a layer anew": {"reinit_layers": 1, "layer_decay": 0.7},
    "best": {"evals_per_epoch": 2, "score": "best"},
    "soup of averages": {"evals_per_epoch": 2, "score": "soup", "average": "ema", "precision": "fp16"},
}
# Two steps an epoch, the first is clean for both.
METHODS = {"fgm": lambda: FGM(start_epoch=1), "awp": lambda: AWP(start_epoch=1.5, adv_lr=0.1)}


def rows(count, shift):
    """Texts of two to ten words."""
    texts = [" ".join(WORDS[(i * 7 + shift + j * j) % len(WORDS)] for j in range(2 + (i * 5) % 9)) for i in range(count)]
    return Rows(texts, None, np.arange(count) % 2)


TASK = Task("films", "classification", ("bad", "good"), rows(24, 0), rows(12, 1), rows(4, 2))


class Seen:
    """What a run is given: the rows of each micro-batch, and where the generator stands at its first dropouts."""

    def __init__(self, training):
        self.rows, self.drawn, self._new = [], [], set()
        self.modules = [module for module in training.model.modules() if isinstance(module, torch.nn.Dropout)]
        for module in self.modules:
            module.register_forward_pre_hook(self._dropping)
        training.model.register_forward_pre_hook(self._called, with_kwargs=True)

    def _called(self, model, arguments, named):
        if model.training and (not self.rows or named["input_ids"] is not self.rows[-1]):
            self.rows.append(named["input_ids"])
            self._new = set(map(id, self.modules))

    def _dropping(self, module, arguments):
        if module.training and id(module) in self._new:
            self._new.discard(id(module))
            self.drawn.append((torch.get_rng_state().numpy().tobytes(), arguments[0].shape, module.p))


class Runs:
    """The runs of one option: each method from scratch, with a snapshot after each evaluation."""

    def __init__(self, options, folder):
        self.recipe, self.folder = Recipe(**USUAL | options), folder
        self.bench = Bench(TASK, self.recipe)
        self.whole, self.seen = {}, {}
        for name, method in METHODS.items():
            training = self.whole[name] = Training(self.bench, self.recipe, method())
            self.seen[name] = Seen(training)
            training.after_step = partial(self._keep_within, name)
            for epoch in training.epochs():
                training.save(self.file(name, epoch.number))

    def _keep_within(self, name, training):
        """Keep the state after the first step of the second epoch; that of "awp" is clean until there."""
        if len(training.history) == self.recipe.evals_per_epoch and training.within.steps == 1:
            training.save(self.file(name, "within"))

    def file(self, name, number):
        return self.folder / f"{name}-{number}.safetensors"

    @property
    def many(self):
        """Evaluations of a run."""
        return len(self.whole["fgm"].history)

    @property
    def clean(self):
        """The number of the last evaluation before the attack."""
        return self.recipe.evals_per_epoch - 1

    def taken_up(self, name, file):
        """A new run of a method that goes on from a snapshot, whatever the generators are at."""
        training = Training(self.bench, self.recipe, METHODS[name]())
        assert training.load(file)
        torch.manual_seed(99)
        list(training.epochs())
        return training


@pytest.fixture(scope="module", params=OPTIONS)
def runs(request, tmp_path_factory):
    torch.set_num_threads(1)
    return Runs(OPTIONS[request.param], tmp_path_factory.mktemp("exact"))


@pytest.fixture(scope="module")
def usual():
    """What the usual recipe reports."""
    return history_of(train(Bench(TASK, Recipe(**USUAL)), Recipe(**USUAL), METHODS["fgm"]()))


def all_of(training):
    """Everything that a run leaves: weights, optimiser, averages, scaler, reports."""
    scaler = training.precision.scaler
    tensors = state_of(training) | {f"mean.{name}": value for name, value in training.average.state_dict().items()}
    tensors |= {f"chosen.{name}": value for name, value in training.chosen.state_dict().items()}
    return tensors, (history_of(training), None if scaler is None else scaler.state_dict())


def assert_equal_runs(one, other):
    (tensors, told), (expected, said) = all_of(one), all_of(other)
    assert_same_state(tensors, expected)
    assert told == said


def test_a_run_taken_up_after_any_evaluation_ends_as_if_undisturbed(runs):
    for number in range(runs.many - 1):
        assert_equal_runs(runs.taken_up("fgm", runs.file("fgm", number)), runs.whole["fgm"])


def test_clean_evaluations_are_the_same_for_every_method_and_serve_as_its_own(runs):
    one, other = (history_of(runs.whole[name]) for name in METHODS)
    assert one[: runs.clean + 1] == other[: runs.clean + 1]
    assert one[runs.clean + 1] != other[runs.clean + 1]
    assert_equal_runs(runs.taken_up("awp", runs.file("fgm", runs.clean)), runs.whole["awp"])


def test_a_run_taken_up_within_an_epoch_ends_as_if_undisturbed(runs):
    assert_equal_runs(runs.taken_up("awp", runs.file("awp", "within")), runs.whole["awp"])


def test_a_seed_gives_all_methods_the_same_rows_and_dropout(runs):
    one, other = runs.seen.values()
    assert len(one.rows) == len(other.rows) >= 6
    assert all(torch.equal(ids, same) for ids, same in zip(one.rows, other.rows, strict=True))
    assert one.drawn == other.drawn
    assert len(set(one.drawn)) == len(one.drawn) == len(one.rows) * len(one.modules) > 0


def test_an_option_does_something(runs, usual):
    """One that does nothing would be exact, too."""
    assert (history_of(runs.whole["fgm"]) == usual) == (runs.recipe == Recipe(**USUAL))
