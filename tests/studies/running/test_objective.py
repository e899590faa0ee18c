"""Trials of a study: shared clean epochs, resumption and pruning, on the built-in task."""

import gc
import weakref
from pathlib import Path
from typing import Any

import optuna
import pytest
from helpers.small_tasks import METRICS_OF_CLASSES, reviews_task
from optuna.trial import Trial
from safetensors.torch import load_file

from adv import METHODS, Method
from finetune.config import Data, Recipe
from finetune.errors import UserError
from finetune.training.bench import Bench
from finetune.training.epoch import Epoch
from finetune.training.loop import Training
from finetune.training.snapshot import read_snapshot
from studies.planning.plan import make_plan
from studies.running.objective import Failed, Objective

RECIPE = Recipe(epochs=4, batch_size=16)
# Two steps an epoch.
SHORT = Recipe(epochs=4, batch_size=32)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(reviews_task(), RECIPE)


@pytest.fixture(scope="module")
def clean_epochs(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a search finds the clean epochs that another has left."""
    folder = tmp_path_factory.mktemp("clean")
    objective(bench, folder, recipe=SHORT).baseline()
    return folder / "prefix"


@pytest.fixture(scope="module")
def undisturbed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, Trial]:
    """A whole trial, and its value."""
    trial = trial_with(1, epsilon=0.7)
    value = objective(bench, tmp_path_factory.mktemp("whole"), recipe=SHORT)(trial)
    assert isinstance(value, float)
    return value, trial


def objective(bench: Bench, folder: Path, method: str = "fgm", **options: Any) -> Objective:
    plan = make_plan(method, Data(task="reviews"), options.pop("recipe", RECIPE), options.pop("fixes", None))
    seen: list[Epoch] = options.pop("seen", [])
    prefixes = options.pop("prefixes", folder / "prefix")
    return Objective(plan, "accuracy", bench, folder, prefixes, lambda trial, epoch: seen.append(epoch), **options)


def trial_with(start: int, study: optuna.Study | None = None, **params: Any) -> Trial:
    study = study or optuna.create_study(direction="maximize")
    study.enqueue_trial({"start_epoch": start} | params)
    return study.ask()


def curve(trial: Trial) -> dict[int, float]:
    return trial.storage.get_trial(trial._trial_id).intermediate_values


@pytest.mark.parametrize("method", METHODS)
def test_a_model_goes_with_its_trial(
    bench: Bench, tmp_path: Path, clean_epochs: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, begin = list[weakref.ref[Training]](), Training.__init__

    def begun(run: Training, *args: Any, **options: Any) -> None:
        runs.append(weakref.ref(run))
        begin(run, *args, **options)

    monkeypatch.setattr(Training, "__init__", begun)
    gc.disable()
    try:
        objective(bench, tmp_path, method, prefixes=clean_epochs, recipe=SHORT)(trial_with(3, **method_defaults(method)))
        assert [run() for run in runs] == [None]
    finally:
        gc.enable()


# Where a trial starts is the loop's business: every method is run once, and every start with half of them.
@pytest.mark.parametrize(
    ("method", "start"), [(name, 1 + number % 2) for number, name in enumerate(name for name in METHODS if name != "none")]
)
def test_a_trial_from_the_shared_clean_epochs_equals_a_whole_one(
    bench: Bench, tmp_path: Path, clean_epochs: Path, method: str, start: int
) -> None:
    shared = objective(bench, tmp_path / "a", method, prefixes=clean_epochs, recipe=SHORT)
    assert shared.clean_file(start).exists()
    whole = objective(bench, tmp_path / "b", method, reuse=False, recipe=SHORT)
    params = method_defaults(method)
    first, second = trial_with(start, **params), trial_with(start, **params)
    assert shared(first) == whole(second)
    assert curve(first) == curve(second)
    assert first.user_attrs["metrics"] == second.user_attrs["metrics"]
    assert first.user_attrs["diagnostics"] == second.user_attrs["diagnostics"]


def method_defaults(name: str) -> dict[str, Any]:
    defaults = make_plan(name, Data(task="reviews"), SHORT).defaults()
    return {key: value for key, value in defaults.items() if key != "start_epoch"}


def test_the_shared_epochs_are_really_used_and_trained_once(bench: Bench, tmp_path: Path) -> None:
    seen: list[Epoch] = []
    made = objective(bench, tmp_path, seen=seen)
    made.baseline()
    assert [epoch.number for epoch in seen] == [0, 1, 2, 3]
    assert made.clean_file(2).exists()
    again = objective(bench, tmp_path, seen=seen)
    assert again.baseline()[-1].metrics == seen[3].metrics
    assert len(seen) == 4
    again(trial_with(2, epsilon=0.7))
    assert [epoch.number for epoch in seen[4:]] == [0, 1, 2, 3]
    assert [epoch.seconds for epoch in seen[4:6]] == [epoch.seconds for epoch in seen[:2]]


def test_trials_on_a_machine_without_the_clean_epochs_leave_those_that_they_pass(
    bench: Bench, tmp_path: Path, clean_epochs: Path
) -> None:
    seen: list[Epoch] = []
    made = objective(bench, tmp_path, seen=seen, recipe=SHORT)
    first = made(trial_with(1, epsilon=0.7))
    assert [made.clean_file(count).exists() for count in (1, 2)] == [True, False]
    made(trial_with(2, epsilon=0.7))  # nor does it go on from the state that trial 0 of another study has left here
    there = objective(bench, tmp_path, prefixes=clean_epochs, recipe=SHORT)
    for count in (1, 2):
        assert weights_in(made.clean_file(count)) == weights_in(there.clean_file(count))
    seen.clear()
    assert made(trial_with(1, epsilon=0.7)) == first
    made(trial_with(2, epsilon=0.7))
    assert seen[0].seconds == seen[4].seconds  # the same epoch, read twice
    alone = objective(bench, tmp_path / "alone", prefixes=tmp_path / "none", reuse=False, recipe=SHORT)
    alone(trial_with(2, epsilon=0.7))
    assert not (tmp_path / "none").exists()


def weights_in(path: Path) -> dict[str, list[float]]:
    """The tensors of a snapshot; its record also has the seconds that an epoch took."""
    return {name: tensor.flatten().tolist() for name, tensor in load_file(path).items()}


def test_a_baseline_that_was_kept_without_sharing_does_not_stop_later_sharing(bench: Bench, tmp_path: Path) -> None:
    alone = objective(bench, tmp_path, reuse=False).baseline()
    made = objective(bench, tmp_path)
    assert not made.clean_file(2).exists()
    assert [epoch.metrics for epoch in made.baseline()] == [epoch.metrics for epoch in alone]
    assert made.clean_file(2).exists()


def test_a_trial_from_shared_epochs_writes_only_what_it_trained(bench: Bench, tmp_path: Path) -> None:
    made = objective(bench, tmp_path)
    made.baseline()
    snapshot, there = tmp_path / "trial-0.safetensors", []
    made.on_epoch = lambda trial, epoch: there.append(snapshot.exists())
    made(trial_with(2, epsilon=0.7))
    assert there == [False, False, False, True]


def test_after_every_evaluation_but_the_last_a_trial_may_be_stopped_and_taken_up(bench: Bench, tmp_path: Path) -> None:
    asked: list[int | None] = []

    class Asking(optuna.pruners.NopPruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            asked.append(trial.last_step)
            return False

    made = objective(bench, tmp_path, recipe=Recipe(epochs=2, batch_size=32, evals_per_epoch=2), reuse=False)
    made(trial_with(0, optuna.create_study(direction="maximize", pruner=Asking()), epsilon=0.7))
    found = read_snapshot(tmp_path / "trial-0.safetensors")
    assert found is not None
    assert [epoch["number"] for epoch in found[1]["history"]] == asked == [0, 1, 2]


def test_methods_share_the_clean_epochs_and_other_recipes_do_not(bench: Bench, tmp_path: Path) -> None:
    assert objective(bench, tmp_path, "fgm").prefix == objective(bench, tmp_path, "awp").prefix
    other = objective(bench, tmp_path, recipe=RECIPE.model_copy(update={"learning_rate": 1e-3}))
    assert other.prefix != objective(bench, tmp_path).prefix


class Stop(Exception):
    """Stands for a kill: raised between two epochs."""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interrupted_trial_goes_on_from_its_last_epoch_bit_for_bit(
    bench: Bench, undisturbed: tuple[float, Trial], tmp_path: Path, after: int
) -> None:
    value, whole = undisturbed
    trained: list[int] = []
    made = objective(bench, tmp_path / "killed", recipe=SHORT)
    made.say = pytest.fail  # it does not begin again

    def stop(trial: Trial | None, epoch: Epoch) -> None:
        trained.append(epoch.number)
        if epoch.number == after + 1:
            raise Stop

    made.on_epoch = stop
    killed = trial_with(1, epsilon=0.7)
    with pytest.raises(Stop):
        made(killed)
    made.on_epoch = lambda trial, epoch: trained.append(epoch.number)
    assert made(killed) == value
    assert curve(killed) == curve(whole)
    assert len(killed.user_attrs["metrics by epoch"]) == 4
    assert killed.user_attrs["metrics by epoch"] == whole.user_attrs["metrics by epoch"]
    assert trained == [*range(after + 2), *range(after + 2, 4)]
    made.clean_up(killed)
    assert not list((tmp_path / "killed").glob("trial-*"))


def test_of_two_metrics_both_go_on_after_a_kill(bench: Bench, undisturbed: tuple[float, Trial], tmp_path: Path) -> None:
    both = {"study_name": "both", "directions": ["maximize", "minimize"]}
    value, _ = undisturbed
    made = objective(bench, tmp_path, second="seconds", recipe=SHORT)
    spent: dict[int, float] = {}

    def stop(trial: Trial | None, epoch: Epoch) -> None:
        spent[epoch.number] = epoch.seconds
        if epoch.number == 2:
            raise Stop

    made.on_epoch = stop
    killed = trial_with(1, optuna.create_study(**both), epsilon=0.7)
    with pytest.raises(Stop):
        made(killed)
    made.on_epoch = lambda trial, epoch: spent.update({epoch.number: epoch.seconds})
    assert made(killed) == (value, round(sum(spent[number] for number in range(4)), 3))
    assert made(killed)[1] == killed.user_attrs["seconds"]


def test_a_damaged_snapshot_is_trained_again(bench: Bench, undisturbed: tuple[float, Trial], tmp_path: Path) -> None:
    made = objective(bench, tmp_path, recipe=SHORT)
    tmp_path.joinpath("trial-0.safetensors").write_bytes(b"half of a file")
    assert made(trial_with(1, epsilon=0.7)) == undisturbed[0]


def test_divergence_is_a_reason(bench: Bench, tmp_path: Path) -> None:
    made = objective(bench, tmp_path, recipe=RECIPE.model_copy(update={"learning_rate": 1e30, "max_grad_norm": 1e30}))
    with pytest.raises(Failed, match=r"^diverged: "):
        made(trial_with(0, epsilon=0.7))
    with pytest.raises(UserError, match="lower learning_rate"):
        made.baseline()


def test_an_attack_that_cannot_act_is_a_reason(bench: Bench, tmp_path: Path) -> None:
    made = objective(bench, tmp_path, fixes={"emb_name": "nowhere"})
    with pytest.raises(Failed, match="nowhere"):
        made(trial_with(0, epsilon=0.7))


def test_a_pruned_trial_keeps_what_it_measured(bench: Bench, tmp_path: Path) -> None:
    class Always(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.last_step == 2

    study = optuna.create_study(direction="maximize", pruner=Always())
    trial = trial_with(0, study, epsilon=0.7)
    with pytest.raises(optuna.TrialPruned):
        objective(bench, tmp_path)(trial)
    assert sorted(curve(trial)) == [0, 1, 2]
    assert trial.user_attrs["metrics"]["accuracy"] == curve(trial)[2]
    assert trial.user_attrs["diagnostics"]["attacked"] == 3 * 4
    assert [epoch["attacked"] for epoch in trial.user_attrs["diagnostics by epoch"]] == [4, 4, 4]
    kept = trial.user_attrs["metrics by epoch"]
    assert [epoch["accuracy"] for epoch in kept] == [curve(trial)[number] for number in range(3)]
    assert {tuple(epoch) for epoch in kept} == {METRICS_OF_CLASSES}


def test_searched_recipe_parameters_reach_the_training(bench: Bench, tmp_path: Path) -> None:
    plan = make_plan("fgm", Data(task="reviews"), SHORT, tune=["learning_rate"])
    made = Objective(plan, "accuracy", bench, tmp_path, tmp_path / "prefix", lambda trial, epoch: None)
    made.baseline()
    assert not made.clean_file(1).exists()
    slow, fast = (made(trial_with(0, epsilon=0.1, learning_rate=rate)) for rate in (0.0013, 0.0126))
    assert slow != fast
    assert isinstance(plan.build({"epsilon": 0.1, "start_epoch": 0, "learning_rate": 0.002})[0], Method)
