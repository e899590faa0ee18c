"""Several evaluations in an epoch, and starts within one."""

import numpy as np
import pytest
import torch
from helpers.small_tasks import assert_same_state, history_of, reviews_task, state_of, train

from adv import FGM, Clean, FreeAT
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.training.bench import Bench
from finetune.training.epoch import Epoch, clean_until, read, stored
from finetune.training.loop import Training
from finetune.training.steps import epoch_steps, nearest, refuse_many

# Five steps an epoch.
RECIPE = Recipe(epochs=2, batch_size=13)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), RECIPE)


def many(evaluations, **more):
    return RECIPE.model_copy(update={"evals_per_epoch": evaluations} | more)


def steps_of(bench, recipe, method):
    """The steps of each part of a run."""
    parts = range(recipe.epochs * recipe.evals_per_epoch)
    return [list(epoch_steps(bench.train, recipe, number, method, CPU)) for number in parts]


def facts(step):
    """Where it lies in the run, and the texts, dropout and weight of each micro-batch."""
    micros = [(micro.batch["input_ids"].tolist(), micro.seed, micro.weight) for micro in step.micros]
    return step.position, type(step.method).__name__, micros


@pytest.mark.parametrize(
    ("steps", "parts", "ends"),
    [
        (10, 4, [0, 2, 5, 7, 10]),  # 2.5 and 7.5 lie between two steps
        (5, 2, [0, 2, 5]),
        (7, 3, [0, 2, 5, 7]),
        (8, 3, [0, 3, 5, 8]),
        (4, 4, [0, 1, 2, 3, 4]),
        (1, 1, [0, 1]),
    ],
)
def test_parts_end_after_the_step_nearest_to_their_share(steps, parts, ends):
    assert [nearest(part, parts, steps) for part in range(parts + 1)] == ends


@pytest.mark.parametrize("evaluations", [2, 3, 5])
@pytest.mark.parametrize("settings", [{}, {"batch_size": 6, "gradient_accumulation": 2}])
def test_the_parts_of_an_epoch_are_its_steps(bench, evaluations, settings):
    method = FGM(start_epoch=1)
    whole = steps_of(bench, many(1, **settings), method)
    parts = steps_of(bench, many(evaluations, **settings), method)
    for epoch in range(2):
        mine = [facts(step) for part in parts[epoch * evaluations : (epoch + 1) * evaluations] for step in part]
        assert mine == [facts(step) for step in whole[epoch]]
    lengths = {len(part) for part in parts}
    assert max(lengths) - min(lengths) <= 1
    assert all(sum(micro.share for step in part for micro in step.micros) == pytest.approx(1) for part in parts)


@pytest.mark.parametrize("average", ["none", "ema"])
def test_evaluating_more_often_trains_the_same_weights(bench, average):
    once, often = (train(bench, many(number, average=average), FGM(start_epoch=1)) for number in (1, 5))
    assert_same_state(state_of(once), state_of(often))
    assert [epoch.number for epoch in often.history] == list(range(10))
    for epoch in range(2):
        parts, last = often.history[5 * epoch : 5 * epoch + 5], once.history[epoch]
        assert parts[-1].metrics == last.metrics
        rows = [13, 13, 13, 13, 12]
        order = [len(step.micros[0].batch["labels"]) for step in steps_of(bench, RECIPE, Clean())[epoch]]
        assert sorted(order) == sorted(rows)
        assert np.average([part.loss for part in parts], weights=order) == pytest.approx(last.loss, rel=1e-5)
    assert len({epoch.loss for epoch in often.history}) == 10
    assert [bool(epoch.diagnostics) for epoch in often.history] == [False] * 5 + [True] * 5


def test_an_evaluation_is_that_of_the_weights_at_its_step(bench):
    recipe, seen = many(2), []

    class Recording(Clean):
        def after_step(self, model):
            seen.append({name: value.clone() for name, value in model.state_dict().items()})

    training = train(bench, recipe, Recording())
    for number, step in enumerate([2, 5, 7, 10]):
        training.model.load_state_dict(seen[step - 1])
        scores = bench.score(training.model, bench.validation, bench.task.validation, recipe)
        assert scores == training.history[number].metrics


@pytest.mark.parametrize(
    ("start", "clean"),
    [(0, 0), (1, 5), (0.5, 2), (0.6, 3), (1.29, 6), (1.31, 7), (0.3, 1), (1.999, 10), (0.05, 0)],
)
@pytest.mark.parametrize("evaluations", [1, 2, 5])
def test_the_attack_begins_at_the_step_nearest_to_its_start(bench, start, clean, evaluations):
    steps = [step for part in steps_of(bench, many(evaluations), FGM(start_epoch=start)) for step in part]
    assert [type(step.method).__name__ for step in steps] == ["Clean"] * clean + ["FGM"] * (10 - clean)


@pytest.mark.parametrize("evaluations", [2, 3, 4, 5])
def test_a_start_after_an_evaluation_begins_exactly_there(bench, evaluations):
    """Whatever the number of steps, and with thirds of an epoch."""
    recipe = many(evaluations)
    for number in range(2 * evaluations):
        method = FGM(start_epoch=number * round(1 / evaluations, 10))
        kinds = [{type(step.method).__name__ for step in part} for part in steps_of(bench, recipe, method)]
        assert kinds == [{"Clean"}] * number + [{"FGM"}] * (2 * evaluations - number)
        assert clean_until(method.start_epoch, recipe) == min(number, 2 * evaluations - 1)


@pytest.mark.parametrize("start", [5 * 0.3333333333, 1.666667, 5 / 3])
def test_a_third_is_a_third_however_it_is_written(bench, start):
    """As the search draws it, as best.yaml has it, as a user computes it."""
    recipe = many(3)
    kinds = [{type(step.method).__name__ for step in part} for part in steps_of(bench, recipe, FGM(start_epoch=start))]
    assert kinds == [{"Clean"}] * 5 + [{"FGM"}]
    assert clean_until(start, recipe) == 5


def test_a_part_in_which_the_attack_begins_tells_of_its_steps(bench):
    training = train(bench, many(1), FGM(start_epoch=1.4))
    assert [epoch.diagnostics.get("attacked") for epoch in training.history] == [None, 3.0]


@pytest.mark.parametrize(("K", "evaluations"), [(2, 2), (3, 2)])
def test_replays_are_not_torn_apart_and_a_run_goes_on_from_any_evaluation(bench, tmp_path, K, evaluations):
    recipe, method = many(evaluations, batch_size=8, epochs=3), FreeAT(K=K, start_epoch=1)
    for part in steps_of(bench, recipe, method)[evaluations:]:
        batches = [id(step.micros[0].batch) for step in part]
        assert len(batches) == K * len(set(batches)) > 0
    whole = Training(bench, recipe, method)
    for epoch in whole.epochs():
        whole.save(tmp_path / str(epoch.number))
    for number in range(3 * evaluations - 1):
        resumed = Training(bench, recipe, FreeAT(K=K, start_epoch=1))
        assert resumed.load(tmp_path / str(number))
        list(resumed.epochs())
        assert_same_state(state_of(resumed), state_of(whole))
        assert history_of(resumed) == history_of(whole)


@pytest.mark.parametrize(
    ("settings", "replays", "most"),
    [({}, 1, 5), ({"batch_size": 64}, 1, 1), ({"gradient_accumulation": 2}, 1, 3), ({}, 2, 2), ({}, 9, 1)],
)
def test_more_evaluations_than_steps_are_refused(bench, settings, replays, most):
    refuse_many(bench.train, many(most, **settings), replays)
    with pytest.raises(UserError, match=f"an epoch has {most} optimiser step.* can be evaluated {most} time") as caught:
        refuse_many(bench.train, many(most + 1, **settings), replays)
    assert "\n" not in caught.value.text
    if replays == 1:
        with pytest.raises(UserError):
            Training(bench, many(most + 1, **settings), Clean())


def test_what_is_stored_of_a_plain_evaluation_is_what_always_was():
    epoch = Epoch(3, {"accuracy": 0.5}, {}, None, 1.5)
    old = {"number": 3, "metrics": {"accuracy": 0.5}, "diagnostics": {}, "loss": None, "seconds": 1.5}
    assert stored(epoch) == old
    assert read(old) == epoch
