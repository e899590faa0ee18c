"""Clean steps before an attack that begins within an epoch are trained once, and change nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from helpers.folded_objectives import FOLDS
from helpers.folded_tasks import folded_task
from helpers.plans import plan_of
from helpers.small_tasks import reviews_task, state_of
from optuna.distributions import FloatDistribution
from optuna.trial import Trial

from adv import FGM
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.benches import Benches
from finetune.training.loop import Training
from finetune.training.series import Series
from finetune.training.steps import clean_steps
from studies.planning.plan import Plan
from studies.running.folded import Folded
from studies.running.folded_runs import runs_for
from studies.running.footprint import clean_files, snapshots
from studies.running.objective import Objective
from studies.running.shared import share_evaluation, starts_of, states_of
from studies.running.stages import ARMS, FIRST, Arm, Planned, Stage
from studies.running.storage import LINK

# Four steps an epoch.
USUAL = {"epochs": 3, "batch_size": 16}
RANGE = {"ranges": ["start_epoch=1.5:2.5"]}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(reviews_task(), Recipe(**USUAL))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Where the optimiser steps were taken, in steps of a clean run."""
    taken, step = list[float](), Training._step

    def counted(training: Training, position: float) -> bool:
        taken.append(position)
        return step(training, position)

    monkeypatch.setattr(Training, "_step", counted)
    return taken


def trial_at(start: float) -> Trial:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"start_epoch": start, "epsilon": 0.7})
    return study.ask()


def told(trial: Trial) -> Any:
    """What a trial measured."""
    found = [trial.user_attrs[name] for name in ("metrics", "metrics by epoch", "diagnostics by epoch")]
    return trial.storage.get_trial(trial._trial_id).intermediate_values, found


def objective(bench: Bench, folder: Path, plan: Plan, reuse: bool = True) -> Objective:
    return Objective(plan, "accuracy", bench, folder, folder / "prefix", lambda trial, epoch: None, reuse)


def test_the_last_start_is_one_of_all_also_where_rounding_makes_the_range_shorter() -> None:
    plan = plan_of("fgm", **USUAL)
    tenths = replace(plan, space={"start_epoch": FloatDistribution(0.1, 0.7, step=0.1)})  # (0.7 - 0.1) / 0.1 < 6
    assert starts_of(tenths) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert starts_of(replace(plan, space={}, fixed={"start_epoch": 2.5})) == [2.5]
    assert starts_of(replace(plan, space={}, fixed={})) == []


def test_an_attacked_state_is_never_shared(bench: Bench, tmp_path: Path) -> None:
    training = Training(bench, Recipe(**USUAL), FGM(start_epoch=1))
    for _ in training.epochs():
        share_evaluation(training, lambda count, steps: tmp_path / f"{count}-{steps}", [(1, 0), (2, 0)])
    assert [path.name for path in tmp_path.iterdir()] == ["1-0"]


@pytest.mark.parametrize(
    ("options", "start", "kept", "left"),
    [
        ({}, 1.5, ["1", "1-2", "2", "2-2"], 6),
        ({}, 2.0, ["1", "1-2", "2", "2-2"], 4),
        ({"batch_size": 8, "gradient_accumulation": 2, "average": "ema"}, 2.5, ["1", "1-2", "2", "2-2"], 2),
        ({"average": "swa", "swa_start": 0.3, "batch_size": 8}, 1.5, ["1", "1-4", "2", "2-4"], 12),
        ({"evals_per_epoch": 2, "score": "best"}, 1.5, ["3", "4", "5"], 6),
        ({"score": "best", "precision": "fp16"}, 2.5, ["1", "1-2", "2", "2-2"], 2),
    ],
)
def test_a_trial_that_begins_within_an_epoch_equals_one_from_scratch(
    bench: Bench, tmp_path: Path, steps: list[float], options: dict[str, Any], start: float, kept: list[str], left: int
) -> None:
    plan = plan_of("fgm", **RANGE, **USUAL | options)
    shared, whole = objective(bench, tmp_path / "a", plan), objective(bench, tmp_path / "b", plan, reuse=False)
    shared.baseline()
    assert sorted(path.stem for path in clean_files(shared.prefix) if path.suffix == ".safetensors") == [
        f"clean-{name}" for name in kept
    ]
    steps.clear()
    first, second = trial_at(start), trial_at(start)
    value = shared(first)
    assert len(steps) == left
    assert value == whole(second)
    assert told(first) == told(second)


@pytest.mark.parametrize(
    ("start", "options", "state"),
    [
        (1.5, {}, (1, 2)),
        (0.5, {}, (0, 2)),
        (0.25, {}, (0, 1)),
        (2.9, {}, (2, 0)),  # no step is left to attack
        (0.9, {}, (1, 0)),
        (1.1, {}, (1, 0)),
        (1.13, {}, (1, 1)),
        (1.75, {"evals_per_epoch": 2}, (3, 1)),
        (1.666667, {"evals_per_epoch": 3}, (5, 0)),
        (0, {}, (0, 0)),
        (2.3, {"batch_size": 64}, (2, 0)),
        (1.7, {"batch_size": 64}, (2, 0)),
    ],
)
def test_clean_steps_are_those_that_the_loop_trains_clean(
    bench: Bench, start: float, options: dict[str, Any], state: tuple[int, int]
) -> None:
    assert clean_steps(start, bench.train, Recipe(**USUAL | options)) == state


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ({}, [(1, 0)]),  # as ever: a later start is not in the space
        ({"sets": ["start_epoch=2"]}, [(1, 0), (2, 0)]),
        ({"sets": ["start_epoch=0.5"]}, [(0, 2), (1, 0)]),
        ({"sets": ["start_epoch=2.6"]}, [(1, 0), (2, 2)]),
        ({"ranges": ["start_epoch=0:2"]}, [(1, 0), (2, 0)]),
        ({"ranges": ["start_epoch=2.25:2.75"]}, [(1, 0), (2, 1), (2, 2), (2, 3)]),
        ({"evals_per_epoch": 2, "sets": ["start_epoch=1.75"]}, [(3, 0), (3, 1)]),
        ({"method": "freeat", "ranges": ["start_epoch=1:2"]}, [(1, 0), (2, 0)]),
        ({"method": "none"}, [(1, 0)]),
    ],
)
def test_states_are_kept_only_where_the_space_lets_an_attack_begin(
    bench: Bench, options: dict[str, Any], states: list[tuple[int, int]]
) -> None:
    assert states_of(plan_of(**{"method": "fgm"} | USUAL | options), lambda: bench.train) == states


def test_a_run_from_the_state_of_another_method_has_its_weights_bit_for_bit(bench: Bench, tmp_path: Path) -> None:
    plan = plan_of("awp", sets=["start_epoch=1.75"], **USUAL)
    shared = objective(bench, tmp_path, plan)
    shared.baseline()
    trained = []
    for file in (shared.clean_file(1, 3), tmp_path / "none"):
        training = Training(bench, plan.recipe, FGM(epsilon=0.7, start_epoch=1.75))
        assert training.load(file) == file.exists()
        assert [epoch.number for epoch in training.epochs()] == [0, 1, 2]
        trained.append(training)
    one, other = (state_of(training) for training in trained)
    assert all(one[name].equal(other[name]) for name in other)
    assert [epoch.loss for epoch in trained[0].history] == [epoch.loss for epoch in trained[1].history]


def test_a_state_that_is_gone_costs_steps_and_changes_nothing(bench: Bench, tmp_path: Path, steps: list[float]) -> None:
    plan = plan_of("fgm", **RANGE, **USUAL)
    shared = objective(bench, tmp_path, plan)
    shared.baseline()
    value = shared(trial_at(2.5))
    shared.clean_file(2, 2).write_bytes(b"torn")
    steps.clear()
    assert shared(trial_at(2.5)) == value
    assert len(steps) == 4
    assert len(objective(bench, tmp_path, plan).baseline()) == 3
    assert len(steps) == 4  # the file is there


def test_runs_of_folds_begin_within_an_epoch_of_their_fold(tmp_path: Path, steps: list[float]) -> None:
    """Folds differ in rows: 24 or 32 to train on, so 3 or 4 steps an epoch."""
    recipe = Recipe(epochs=2, batch_size=8)
    benches, plan = Benches(folded_task(), recipe), plan_of("fgm", sets=["start_epoch=1.5"], epochs=2, batch_size=8)

    def made(folder: Path, reuse: bool) -> Folded:
        series = Series(benches, FOLDS, recipe, "accuracy")
        return Folded(plan, series, folder, folder / "prefix", lambda *seen: None, reuse)

    shared, whole = made(tmp_path / "a", True), made(tmp_path / "b", False)
    shared.baseline()
    rows = [len(benches.fold(fold).train) for fold in range(3)]
    ends = [{3: 1, 4: 2, 5: 2}[-(-many // 8)] for many in rows]
    names = sorted(path.name for path in clean_files(shared.prefix) if path.name.count("-") == 4)
    assert names == [f"clean-run-{fold}-1-{end}.safetensors" for fold, end in enumerate(ends)]
    steps.clear()
    first, second = trial_at(1.5), trial_at(1.5)
    value = shared(first)
    assert len(steps) == sum(-(-many // 8) - end for many, end in zip(rows, ends, strict=True))
    assert value == whole(second)
    assert told(first) == told(second)


def runs_in(folder: Path, arms: list[Arm], benches: Benches) -> Any:
    """The runs of a verdict, all with one seed, the arms in turn."""
    study = optuna.create_study(direction="maximize", sampler=Planned(lambda number: (number % len(arms), 2001)))
    for name, value in ((LINK, {"of": "searched", "stage": "verdict"}), (ARMS, []), (FIRST, 2001)):
        study.set_user_attr(name, value)
    return runs_for(Stage(study, arms, 2001), benches, FOLDS, benches.recipe, "accuracy", folder, False, {})


ARMED = [Arm("clean training", "none", {}), Arm("the winner", "fgm", {"epsilon": 0.7, "start_epoch": 1.5})]


@pytest.mark.parametrize(
    ("folds", "ends", "first"), [(1, {"": 2}, 0), (1, {"": 2}, 1), (3, {"-fold-0": 1, "-fold-1": 1, "-fold-2": 2}, 1)]
)
def test_a_confirmation_shares_the_clean_steps_of_a_seed_and_forgets_them(
    tmp_path: Path, steps: list[float], folds: int, ends: dict[str, int], first: int
) -> None:
    """Whichever arm comes first leaves them; the other's value is that of a run alone."""
    recipe = Recipe(epochs=2, batch_size=8 if folds > 1 else 16)
    task = folded_task() if folds > 1 else reviews_task()
    benches = Benches(task, recipe)

    arms = [ARMED[first], ARMED[1 - first]]
    runs = runs_in(tmp_path / "a", arms, benches)
    asked = [runs.stage.study.ask() for _ in arms]
    values = [runs(asked[0])]
    kept = sorted(path.name for path in snapshots(tmp_path / "a") if path.name.startswith("seed"))
    assert kept == [f"seed-2001{fold}-1-{end}.safetensors" for fold, end in ends.items()]
    steps.clear()
    values.append(runs(asked[1]))
    whole = {1: 8, 3: 20}[folds]
    assert len(steps) == whole - sum({1: 4, 3: 3}[folds] + (fold == "-fold-2") + end for fold, end in ends.items())
    for trial in asked:
        runs.clean_up(trial)
    runs.forget(2001)
    assert list((tmp_path / "a").iterdir()) == []
    for arm, value, trial in zip(arms, values, asked, strict=True):
        alone = runs_in(tmp_path / arm.method, [arm], benches)
        assert alone(again := alone.stage.study.ask()) == value
        assert told(again) == told(trial)


def test_a_run_shares_only_what_it_trained_clean_and_begins_before_its_own_attack(
    tmp_path: Path, steps: list[float]
) -> None:
    arms = [Arm(f"start {start}", "fgm", {"epsilon": 0.7, "start_epoch": start}) for start in (0.5, 1.5, 0.75, 0.5)]
    benches = Benches(reviews_task(), Recipe(epochs=2, batch_size=16))
    runs, kept, taken, values = runs_in(tmp_path / "a", arms, benches), [], [], []
    for _ in arms:
        steps.clear()
        values.append(runs(runs.stage.study.ask()))
        kept.append(
            sorted(path.stem.removeprefix("seed-2001-") for path in snapshots(tmp_path / "a") if "seed" in path.name)
        )
        taken.append(len(steps))
    assert kept == [["0-2"], ["0-2", "0-3", "1-2"], ["0-2", "0-3", "1-2"], ["0-2", "0-3", "1-2"]]
    assert taken == [8, 6, 5, 6]
    alone = [runs_in(tmp_path / arm.who, [arm], benches) for arm in arms]
    assert values == [made(made.stage.study.ask()) for made in alone]
