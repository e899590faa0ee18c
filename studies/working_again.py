"""What workers do in a confirmation: the runs of its stages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from studies.again import Train, benches_again, runs_again
from studies.running.loop import Options, run_trials
from studies.running.stages import Planned, Share, Stage, read_stage
from studies.running.workers.crew import Crew
from studies.running.workers.shared import run_shared
from studies.running.workers.worker import Worker
from studies.working import BENCHES, LOOP, storage_in


@dataclass(frozen=True)
class LoadingAgain:
    """Read the data of a study, and get its model ready; or keep the user's own loop.

    Args:
        about: The study's identity.
        name: Its name.
        metric: The metric of its trials.
        train: The user's own loop, if the study is one of ``tune``.
    """

    about: dict[str, Any]
    name: str
    metric: str
    train: Train | None

    def __call__(self, worker: Worker) -> None:
        """Do it.

        Raises:
            UserError: They cannot be read here, or are not what they were.
        """
        if self.train is not None:
            worker.kept[LOOP] = self.train
        else:
            worker.kept[BENCHES] = benches_again(self.about, self.name, self.metric)


@dataclass(frozen=True)
class StageRuns:
    """Make runs of a stage.

    Args:
        url: The database.
        stage: The name of the stage's study.
        about: The identity of the searched study.
        metric: The metric of its trials.
        folder: Folder of its files.
        keeps: Whether runs keep their predictions.
        order: Arm and seed of each run, by its number.
    """

    url: str
    stage: str
    about: dict[str, Any]
    metric: str
    folder: Path
    keeps: bool
    order: tuple[tuple[int, int], ...] = ()

    def __call__(self, worker: Worker) -> None:
        """Make runs until there are as many as the order has."""
        storage = storage_in(worker, self.url)
        if (key := f"runs of {self.stage}") not in worker.kept:
            stage = read_stage(optuna.load_study(study_name=self.stage, storage=storage))
            assert stage is not None
            source = worker.kept[LOOP if "loop" in self.about["data"] else BENCHES]
            worker.kept[key] = runs_again(stage, self.about, source, self.metric, self.folder, self.keeps)
        runs = worker.kept[key]
        study = runs.stage.study
        study.sampler, study.pruner = Planned(self.order.__getitem__), optuna.pruners.NopPruner()
        run_trials(study, storage, runs, Options(len(self.order), 0), worker.on_finished, worker.say)


def by_crew(crew: Crew, asked: StageRuns, stage: Stage, storage: RDBStorage) -> Share:
    """Has a crew make runs.

    Args:
        crew: The workers.
        asked: What each of them does, without the order.
        stage: The stage.
        storage: Its database.
    """

    def share(
        order: Sequence[tuple[int, int]], on_finished: Callable[[FrozenTrial], None], say: Callable[[str], None]
    ) -> None:
        task = replace(asked, order=tuple(order))
        run_shared(crew, task, stage.study, storage, on_finished, lambda event: None, say)

    return share
