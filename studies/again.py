"""The data, the model and the runs of a study that was searched: read again, and seen to be what they were."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune.config import Recipe
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.machine import usual_device
from finetune.tasks.metrics import views_of
from finetune.tasks.own_metric import read_again
from finetune.training.benches import Benches
from studies.planning.identity import data_of, folds_of
from studies.planning.loop_plan import LoopPlan
from studies.planning.versions import made_under
from studies.results.contenders import plan_of
from studies.running.folded_runs import runs_for
from studies.running.looped import Run
from studies.running.stage_runs import LoopRuns, Runs
from studies.running.stages import Stage

Train = Callable[[Run], float | None]


def benches_again(about: dict[str, Any], name: str, metric: str) -> Benches:
    """Data and model of a study.

    Args:
        about: Its identity.
        name: Its name.
        metric: The metric of its trials.

    Raises:
        UserError: They cannot be read, or are not what they were.
    """
    read_again(about, f"study {name!r}")
    with explained(f"study {name!r}: its data cannot be read"):
        task = load_task(data_of(about), metric, folds_of(about))
    if task.fingerprint != about["data fingerprint"]:
        raise UserError(f"study {name!r}: its data has changed since the search, so its settings cannot be confirmed on it")
    benches, stored = Benches(task, Recipe(**about["recipe"]), views_of(metric)), about["model fingerprint"]
    if benches.whole.models.fingerprint_like(stored) != stored:
        raise UserError(f"study {name!r}: its pretrained model has changed since the search")
    return benches


def runs_again(
    stage: Stage, about: dict[str, Any], source: Benches | Train, metric: str, folder: Path, keeps: bool = False
) -> Runs | LoopRuns:
    """What makes the runs of a stage.

    Args:
        stage: The stage.
        about: The identity of the searched study.
        source: Data and model, or the user's own loop.
        metric: The metric of its trials.
        folder: Folder of its files.
        keeps: Whether runs keep their predictions.
    """
    plan = plan_of(about)
    if isinstance(plan, LoopPlan):
        assert not isinstance(source, Benches)
        return LoopRuns(stage, plan, source, metric, folder, made_under(about, usual_device()))
    assert isinstance(source, Benches)
    made = made_under(about, source.whole.device.type)
    return runs_for(stage, source, folds_of(about), plan.recipe, metric, folder, keeps, made)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Put the reason of an error behind what it means here.

    Raises:
        UserError: The one that was raised, with ``what`` before it.
    """
    try:
        yield
    except UserError as error:
        raise UserError(f"{what}: {error.text}") from None
