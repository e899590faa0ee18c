"""Ranges of a real model: the attack really reaches the untrained loss at the top, and nothing of the model changes."""

import json
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import torch
from helpers.outside_methods import BothSides
from helpers.plans import plan_of
from helpers.small_tasks import reviews_task, state_of
from optuna.distributions import FloatDistribution

import spaces
from adv import FGM, METHODS, Clean
from finetune.arguments import as_options
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.loop import Training
from studies.calibrating.curve import Bed
from studies.calibrating.limits import Limits
from studies.calibrating.measured import line_of, measure, record_of, trained_until, why
from studies.calibrating.strength import Strength

# 16 steps an epoch: after the first, the model is clearly better than before.
USUAL = {"epochs": 2, "batch_size": 4}


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe(**USUAL))


@pytest.fixture(scope="module")
def state(bench, tmp_path_factory):
    """Clean training after 0 or 1 epochs, trained once."""
    file, recipe = tmp_path_factory.mktemp("clean") / "clean-1.safetensors", Recipe(**USUAL)
    trained_until(1, Training(bench, recipe, Clean()), None).save(file)
    return lambda count: trained_until(count, Training(bench, recipe, Clean()), file)


def plain(model, batch, shift=None):
    """The loss of a batch whose embeddings are shifted, by a hook of our own, and the gradient at the embeddings."""
    seen = []

    def move(module, inputs, output):
        output = output if shift is None else output + shift
        seen.append(output.requires_grad_() if output.is_leaf else output)
        return output

    handle = model.get_input_embeddings().register_forward_hook(move)
    loss = model(**batch).loss
    handle.remove()
    return loss, torch.autograd.grad(loss, seen[0])[0]


def test_the_objective_is_that_of_a_training_step(state):
    bed, expected = Bed(state(1), 1), []
    training = bed.training
    for micro in bed.micros[:3]:
        torch.manual_seed(micro.seed)
        clean, gradient = plain(training.model.train(), micro.batch)
        rows = gradient.reshape(-1, gradient.shape[-1])
        ids = micro.batch["input_ids"].reshape(-1)
        table = torch.zeros(int(ids.max()) + 1, rows.shape[1]).index_add_(0, ids, rows)
        real = micro.batch["attention_mask"].unsqueeze(-1)
        table_norm = torch.zeros_like(table).index_add_(0, ids, rows * real.reshape(-1, 1)).norm()
        shift = 0.3 * table[micro.batch["input_ids"]] / table_norm * real
        torch.manual_seed(micro.seed)
        expected.append(float((clean + plain(training.model, micro.batch, shift)[0]).detach() / 2))
    assert bed.objectives(FGM(epsilon=0.3)) == pytest.approx(expected, rel=1e-4)
    assert bed.objectives(FGM(epsilon=0.0)) == pytest.approx(bed.losses()[:3], rel=1e-5)
    twice = [2 * each for each in bed.losses()[:3]]
    assert bed.objectives(FGM(epsilon=0.0, combine="sum")) == pytest.approx(twice, rel=1e-5)


def test_an_attack_along_the_momentum_sees_that_of_clean_training(state):
    bed = Bed(state(1), 1)
    along = bed.objectives(METHODS["awp"](direction="momentum"))
    assert along != pytest.approx(bed.losses()[:3], rel=1e-3)
    assert along != pytest.approx(bed.objectives(METHODS["awp"]()), rel=1e-3)


@pytest.mark.parametrize("method", ["awp", "freeat", "smart"])
def test_the_model_stays_as_it_is(state, method):
    bed = Bed(state(1), 1)
    before = state_of(bed.training)
    bed.objectives(METHODS[method]())
    bed.losses()
    after = state_of(bed.training)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(p.grad is None for p in bed.training.model.parameters())


@pytest.mark.parametrize("method", ["awp", "fgm", "sam", "neftune"])
def test_the_top_takes_all_that_was_learned(state, method):
    plan = plan_of(method, **USUAL)
    found = measure(plan, state, 1)
    assert found == measure(plan, state, 1)
    assert json.loads(json.dumps(found)) == found
    bed, start = Bed(state(1), 1), Bed(state(0), 1)
    learned = fmean(start.losses()) - fmean(bed.losses())
    assert learned > 0
    assert found["names"] == ["adv_lr", "adv_eps"] if method == "awp" else [*found["ranges"]]
    ends = found["ranges"][found["names"][0]]

    def rise(value):
        zero = METHODS[method](**dict.fromkeys(found["names"], 0.0))
        attack = METHODS[method](**dict.fromkeys(found["names"], value))
        return fmean(bed.objectives(attack)) - fmean(bed.objectives(zero))

    assert rise(ends[1]) == pytest.approx(learned, rel=0.15)
    declared = plan.space[found["names"][0]]
    assert declared.low <= ends[0] < ends[1] <= declared.high
    if ends[0] > declared.low:
        assert ends[0] <= ends[1] / 9.5
    assert [float(f"{end:.1e}") for end in ends] == ends  # parts of a search on several machines have the same
    assert "--no-calibrate takes the declared ranges" in as_options(line_of(found))


@pytest.mark.parametrize("method", ["vat", "smart", "r3f", "sift", "gradient_penalty"])
def test_the_weight_of_a_term_is_no_radius(state, method):
    found = measure(plan_of(method, **USUAL), state, 1)
    assert found["ranges"] == {}
    assert "weighs a term of the loss" in line_of(found)
    assert "--no-calibrate" not in as_options(line_of(found))


def test_a_method_from_elsewhere_is_measured_by_the_same_rule(state, monkeypatch):
    monkeypatch.setitem(METHODS, "mine", BothSides)
    monkeypatch.setitem(spaces.SPACES, "mine", {"epsilon": FloatDistribution(0.01, 100.0, log=True)})
    [(name, (low, high))] = measure(plan_of("mine", **USUAL), state, 1)["ranges"].items()
    assert name == "epsilon"
    assert 0.01 <= low < high < 100


def test_what_the_user_gave_is_not_measured(state):
    found = measure(plan_of("awp", ranges=["adv_lr=0.1:1:log"], **USUAL), state, 1)
    assert [*found["ranges"]] == ["adv_eps"]
    assert "adv_lr as you gave it" in line_of(found)
    both = measure(plan_of("awp", sets=["adv_lr=0.1"], ranges=["adv_eps=0.01:0.1"], **USUAL), state, 1)
    assert (both["ranges"], line_of(both)) == ({}, "searched: adv_eps and adv_lr as you gave them, not measured")
    one = measure(plan_of("awp", sets=["adv_eps=0.1"], **USUAL), state, 1)
    assert [*one["ranges"]] == ["adv_lr"]
    assert measure(plan_of("none", **USUAL), state, 1) is None
    assert measure(plan_of("fgm", tune=["learning_rate"], sets=["epsilon=1"], **USUAL), state, 1)["ranges"] == {}


def test_an_attack_that_cannot_act_leaves_the_declared_range(state):
    found = measure(plan_of("fgm", sets=["emb_name=nowhere"], **USUAL), state, 1)
    assert found["ranges"] == {}
    assert "nothing could be measured (" in line_of(found)
    assert "nowhere" in line_of(found)


def test_the_line_says_that_few_batches_are_attacked(state):
    found = measure(plan_of("fgm", sets=["every=3"], **USUAL), state, 1)
    assert f"an attack of {found['high']:.2g} on one of 3 batches takes all that was learned" in line_of(found)
    strength, nowhere = (
        Strength("fgm", ("epsilon",), 0.05, 5.0, {}, True, every=3),
        Limits(0.05, 5.0, [], 0.5, 1.0, 0.01, 0.5, 3),
    )
    assert "even the strongest attack on one of 3 batches leaves some of" in why(strength, nowhere, "after 1 clean epoch")


def test_a_measurement_that_finds_no_memory_leaves_the_declared_range(state):
    def full(count):
        raise torch.OutOfMemoryError("CUDA out of memory")

    found = measure(plan_of("fgm", **USUAL), full, 1)
    assert (found["ranges"], found["names"]) == ({}, ["epsilon"])
    assert line_of(found) == "searched: epsilon in the declared range: nothing could be measured (out of memory)"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.4, 0.9, {"adv_lr": [0.4, 0.9]}),  # above all of adv_eps
        (1e-4, 1.0, {}),
        (0.01234, 0.5678, {"adv_lr": [0.012, 0.57], "adv_eps": [0.012, 0.3]}),
    ],
)
def test_a_common_strength_is_cut_off_at_the_ends_of_each_range(low, high, expected):
    space = {"adv_lr": FloatDistribution(1e-4, 1.0, log=True), "adv_eps": FloatDistribution(1e-4, 0.3, log=True)}
    strength = Strength("awp", ("adv_lr", "adv_eps"), 1e-4, 1.0, {}, True)
    found = record_of(strength, Limits(low, high, [], 1.0, 2.0, 0.1, 1.0, 8), space, "after 1 clean epoch", [])
    assert found["ranges"] == expected
    for name in {"adv_lr", "adv_eps"} - expected.keys():
        assert name in found["why"].split("in the declared range")[0]


def test_a_model_that_learned_nothing_leaves_the_declared_range(state):
    found = measure(plan_of("fgm", **USUAL), lambda count: state(0), 0)
    assert found["ranges"] == {}
    assert "is not clearly below the untrained model's" in line_of(found)


@pytest.mark.parametrize(
    ("rows", "more", "told"),
    [
        (20, {"batch_size": 32}, "after 1 clean epoch there is one batch, which shows no noise"),
        (8, {"learning_rate": 0.01}, "on 2 batches after 1 clean epoch the loss "),
        (64, {"learning_rate": 1e-9}, "on 8 batches after 1 clean epoch the loss "),  # a gain of a millionth in each batch
    ],
)
def test_few_rows_and_small_gains(rows, more, told):
    recipe, task = Recipe(**USUAL | more), reviews_task()
    few = Bench(replace(task, train=task.train.take(np.arange(rows))), recipe)
    found = measure(
        plan_of("fgm", **USUAL | more), lambda count: trained_until(count, Training(few, recipe, Clean()), None), 1
    )
    assert told in found["why"]
    assert found["ranges"] == {}


@pytest.mark.parametrize("more", [{"precision": "bf16"}, {"precision": "fp16"}, {"gradient_accumulation": 2}])
def test_recipes_of_other_kinds(bench, more):
    recipe = Recipe(**USUAL | {"epochs": 1} | more)
    found = measure(plan_of("fgm", **USUAL | {"epochs": 1} | more), lambda count: Training(bench, recipe, Clean()), 0)
    assert found["names"] == ["epsilon"]
    assert found["untrained"] == pytest.approx(0.818, abs=0.05)
