"""What workers do: the tasks that a search sends them, each as one call with everything it needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import optuna
from optuna.storages import RDBStorage

from finetune.errors import UserError
from finetune.machine import cores, usual_device
from finetune.training.bench import Bench
from finetune.training.series import Series
from studies.planning.identity import KEY
from studies.planning.loop_plan import LoopPlan
from studies.planning.plan import Plan
from studies.planning.request import Request
from studies.planning.resolve import Job, P
from studies.planning.sharing import Sharing
from studies.planning.versions import made_under
from studies.report.screen import Screen
from studies.running.loop import Options, prepare, run_trials
from studies.running.looped import LoopObjective, Run
from studies.running.patience import Outages, opened_patiently, patient
from studies.running.storage import close_storage
from studies.running.trains import benches_of, trains
from studies.running.workers.crew import Crew
from studies.running.workers.local import Local, OnEvent
from studies.running.workers.on_ray import Cluster, OnRay
from studies.running.workers.shares import at_once, cards, fewer_told, share, shares_told, threads_of_own_loop
from studies.running.workers.worker import Worker

# What workers keep.
BENCHES, LOOP, STORAGE = "benches", "loop", "storage"


def crew_of(sharing: Sharing, threads: int | None, screen: Screen, url: str, left: int | None = None) -> Crew | None:
    """The workers that are asked for, which start with their first task; None if this process trains alone.

    Args:
        sharing: How many, and where.
        threads: The CPU threads of each; None divides the cores, if the environment does not say how many.
        screen: Where lines about workers are printed.
        url: The database.
        left: How many runs of trials are left, if that is known: no more workers start, for none is none needed.

    Raises:
        UserError: Workers cannot be started there.
    """
    asked = sharing.workers
    many, threads = asked if left is None else min(asked, left), threads or threads_of_own_loop(asked)
    if not many:
        return None
    lines = [] if many == asked else [fewer_told(asked, many)]
    if sharing.launcher == "ray":
        cluster = Cluster(many, threads, url)
        lines += cluster.lines
        abreast = at_once(many, threads, cluster.total)
        return Crew(many, lambda number, on_event: OnRay(cluster, on_event), screen.say, lines, cluster.close, abreast)
    if asked == 1:
        return None
    visible = cards()

    def place(number: int, on_event: OnEvent) -> Local:
        return Local(share(number, threads, visible), on_event)

    lines += shares_told(many, threads, visible)
    return Crew(many, place, screen.say, lines, abreast=at_once(many, 1 if visible else threads, cores()))


def storage_in(worker: Worker, url: str) -> RDBStorage:
    """The database, opened once by a worker."""
    if STORAGE not in worker.kept:
        worker.kept[STORAGE] = opened_patiently(url, worker.say)
        worker.ending.callback(close_storage, worker.kept[STORAGE])
    found: RDBStorage = worker.kept[STORAGE]
    return found


def begin_no_other(worker: Worker) -> list[Callable[[optuna.Study, Any], None]]:
    """Optuna callbacks that stop a worker's search when it was told to begin no other trial."""

    def stop(study: optuna.Study, trial: Any) -> None:
        if worker.last.is_set():
            study.stop()

    return [stop]


def study_in(worker: Worker, storage: RDBStorage, name: str) -> optuna.Study:
    """A study of the search; its server may be restarted just now."""
    with patient(Outages(storage.engine, worker.say)):
        return optuna.load_study(study_name=name, storage=storage)


@dataclass(frozen=True)
class Loading:
    """Read the data, and get the model ready.

    Args:
        request: The search.
        threads: CPU threads.
        device: The device of the search.
    """

    request: Request
    threads: int
    device: str

    def __call__(self, worker: Worker) -> None:
        """Read them once.

        Raises:
            UserError: They cannot be read here, or this worker has another device.
        """
        if BENCHES not in worker.kept:
            worker.kept[BENCHES] = benches_of(self.request, self.threads)[1]
        device = worker.kept[BENCHES].whole.device.type
        if device != self.device:
            raise UserError(f"it computes on {device}, and the search on {self.device}")


@dataclass(frozen=True)
class Same:
    """See that a worker, also one that is started later, has read what the search has read: files may change meanwhile.

    Args:
        data: The fingerprint of the data.
        model: The fingerprint of the model.
        metric: Fingerprints of the files with the user's own metrics.
    """

    data: str
    model: str
    metric: tuple[str, ...] = ()

    @classmethod
    def of(cls, bench: Bench) -> "Same":
        """What a process has read."""
        return cls(bench.task.fingerprint, bench.models.fingerprint, tuple(own.source for own in bench.task.own))

    def __call__(self, worker: Worker) -> None:
        """Compare them.

        Raises:
            UserError: They are others.
        """
        mine = Same.of(worker.kept[BENCHES].whole)
        found = {"data": (mine.data, self.data), "model": (mine.model, self.model), "metric": (mine.metric, self.metric)}
        for what, (here, there) in found.items():
            if here != there:
                raise UserError(f"its {what} is not what the search has read: a file has changed meanwhile")


@dataclass(frozen=True)
class Trials(Generic[P]):
    """What the tasks that run trials of a study need.

    Args:
        job: What is searched.
        options: How many trials, and how.
        first: Settings of the first trials.
        per: Evaluations in an epoch.
        metric: The metric of its trials.
        folder: Folder of the study's files.
        asked: When that was asked for.
    """

    job: Job[P]
    options: Options
    first: list[dict[str, Any]]
    per: int
    metric: str
    folder: Path
    asked: float = field(default_factory=time.time)

    def run(self, worker: Worker, study: optuna.Study, storage: RDBStorage, objective: Any, device: str) -> None:
        """Run trials until there are enough."""
        options, plan = self.options.since(self.asked), self.job.plan
        objective.made_under = made_under(study.user_attrs[KEY], device)
        prepare(study, options, plan.space, self.first, plan.fixed.get("start_epoch", 0), self.per)
        run_trials(study, storage, objective, options, worker.on_finished, worker.say, begin_no_other(worker))


@dataclass(frozen=True)
class Searching(Trials[Plan]):
    """Run trials of a study of ``search``."""

    def __call__(self, worker: Worker) -> None:
        """Run trials until there are enough."""
        benches, plan = worker.kept[BENCHES], self.job.plan
        storage = storage_in(worker, self.job.request.output.storage)
        study = study_in(worker, storage, self.job.name)
        series = Series(benches, plan.folds, plan.recipe, self.metric)
        objective = trains(self.job, series, self.folder, worker, worker.say)
        self.run(worker, study, storage, objective, benches.whole.device.type)


@dataclass(frozen=True)
class Baseline:
    """Train runs of clean training, of a study with several runs.

    Args:
        job: What is searched.
        metric: The metric of its trials.
        folder: Folder of the study's files.
    """

    job: Job[Plan]
    metric: str
    folder: Path

    def __call__(self, worker: Worker) -> None:
        """Train runs until all have ended: every worker takes those that no other has."""
        series = Series(worker.kept[BENCHES], self.job.plan.folds, self.job.plan.recipe, self.metric)
        trains(self.job, series, self.folder, worker, worker.say).baseline()


@dataclass(frozen=True)
class LoadingLoop:
    """Keep the user's own loop.

    Args:
        train: The loop.
    """

    train: Callable[[Run], float | None]

    def __call__(self, worker: Worker) -> None:
        """Keep it."""
        worker.kept[LOOP] = self.train


@dataclass(frozen=True)
class SearchingLoop(Trials[LoopPlan]):
    """Run trials of a study of ``tune``."""

    def __call__(self, worker: Worker) -> None:
        """Run trials until there are enough."""
        storage = storage_in(worker, self.job.request.output.storage)
        study = study_in(worker, storage, self.job.name)
        objective = LoopObjective(self.job.plan, worker.kept[LOOP], self.metric, self.folder, worker.on_epoch)
        self.run(worker, study, storage, objective, usual_device())
