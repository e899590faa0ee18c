"""Some methods remember things from step to step; a run never knows of another run of its trial."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.folded_objectives import FOLDS
from helpers.folded_tasks import folded
from helpers.small_tasks import reviews_task

from adv import METHODS
from finetune.config import Data, Recipe
from finetune.training.benches import Benches
from finetune.training.series import Series
from studies.planning.plan import make_plan
from studies.running.folded import Folded

# Four steps a run, so that what is remembered has been used.
RECIPE = Recipe(epochs=1, batch_size=2)
ROWS = 12


@pytest.fixture(scope="module")
def benches() -> Benches:
    task = folded(reviews_task(), np.arange(ROWS) % 3)
    found = Benches(replace(task, unlabelled=[]), RECIPE)
    for fold in range(3):
        found.fold(fold)
    return found


@pytest.mark.parametrize(
    ("name", "fixes"), [*((name, {}) for name in METHODS), ("awp", {"direction": "momentum", "attack": "pgd"})]
)
def test_a_second_run_is_what_it_is_alone(benches: Benches, tmp_path: Path, name: str, fixes: dict[str, str]) -> None:
    plan = make_plan(name, Data(task="reviews"), RECIPE, {"start_epoch": 0} | fixes, folds=FOLDS)
    series = Series(benches, FOLDS, RECIPE, "accuracy")
    series.parts = series.parts[:2]
    made = Folded(plan, series, tmp_path, tmp_path / "prefix", lambda *_: None, reuse=False)
    params, methods = plan.defaults(), []
    runs = made.runs_of(params, 0, lambda part, training, epoch: methods.append(training.method))
    first, second = runs
    other = made.runs_of(params, 1, lambda *_: None)
    assert other.take(series.parts[1])
    alone = other._done[series.parts[1].number]
    assert second.raw.tobytes() == alone.raw.tobytes()
    assert second.history[-1].loss == alone.history[-1].loss
    assert [type(method) for method in methods] == [METHODS[name]] * 2
    assert methods[0] is not methods[1]
    assert first.raw.tobytes() != second.raw.tobytes()
