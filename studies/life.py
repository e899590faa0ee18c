"""The life of one study, no matter what trains its trials: baseline, phases, trials, files."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from finetune.arguments import arg
from finetune.machine import collect_as_usual, described
from finetune.training.epoch import read, value_of, whole_epochs
from finetune.words import counted
from studies.planning.calibrated import CALIBRATED
from studies.planning.identity import BASELINE, CONSTANT, KEY, MACHINE, VALIDATION
from studies.planning.judged import evaluations_in
from studies.planning.plan import Plan
from studies.planning.resolve import Job
from studies.planning.versions import made_under
from studies.report.progress import Watch
from studies.results.digits import nothing_learned
from studies.running.artifacts import artifact_folder
from studies.running.begin import Trains, baseline_of, begin, find_study, has_baseline
from studies.running.calibrated import calibrated, narrow
from studies.running.command import command_of
from studies.running.estimate import estimate
from studies.running.folder import unrecognised
from studies.running.footprint import snapshots
from studies.running.foreign import RUNS
from studies.running.leftovers import clear_torn, stopped_lines
from studies.running.loop import Options, finished, prepare, run_trials, terminable
from studies.running.patience import Outages, patient, through_outages
from studies.running.presence import present
from studies.running.storage import close_with, public, storage_errors
from studies.running.takeover import Taking, take_over, without
from studies.running.workers.crew import Crew
from studies.running.workers.shared import run_clean, run_shared, wait_for_one
from studies.running.workers.worker import Task

if TYPE_CHECKING:
    from studies.report.shown import Shown
    from studies.result import Result

Callback = Callable[[optuna.Study, FrozenTrial], None]


def finished_of(there: optuna.Study | None) -> list[FrozenTrial]:
    """The finished trials; none if there is no study yet."""
    return [] if there is None else finished(there)


@dataclass(frozen=True)
class Team:
    """Workers, and what each of them does.

    Args:
        crew: The workers.
        task: Makes what they do, from what is searched, the options, the settings of the first trials and the evaluations in
            an epoch.
        clean: What they do for clean training of several runs; None if this process trains it.
    """

    crew: Crew
    task: Callable[[Job[Any], Options, list[dict[str, Any]], int], Task]
    clean: Task | None = None


@dataclass
class Life:
    """One study from its start, or from where it stopped, to its files.

    Args:
        job: What to search.
        mine: The study's identity.
        folder: Where its files go.
        storage: Its database.
        objective: Trains its trials.
        watch: Shows progress.
        guess: The score of a constant guess, by metric; empty if it is not known.
        device: What it runs on.
        taking: Trials that it takes over from another study.
        command: What goes on with it, if that is not a search.
        runs: Runs of a trial.
        begun: Whether the study is in the database.
        team: The workers that train its trials; None trains them here.
    """

    job: Job[Any]
    mine: dict[str, Any]
    folder: Path
    storage: RDBStorage
    objective: Trains
    watch: Watch
    guess: dict[str, float]
    device: str
    taking: Taking
    command: str | None = None
    runs: int = 1
    begun: bool = False
    team: Team | None = None

    @property
    def left(self) -> int:
        """Trials that were left when this run began."""
        return max(0, self.job.trials - self.watch.known)

    def run(self, there: optuna.Study | None, lines: Sequence[str], callbacks: Sequence[Callback]) -> "Result":
        """Run the study; if it is stopped, say what is left on disk.

        Args:
            there: The existing study, if there is one.
            lines: Lines to print first.
            callbacks: Optuna callbacks.

        Raises:
            UserError: The search cannot be run.
            KeyboardInterrupt: The search was stopped.
        """
        shared = getattr(self.objective, "prefix", None)
        used = [self.folder] if shared is None else [self.folder, shared]
        try:
            with terminable(), present(*used):  # clean training too
                return self.lived(there, lines, callbacks)
        except KeyboardInterrupt:
            self.say_left()
            raise

    def say_left(self) -> None:
        """Say how much disk space unfinished trials and clean epochs take."""
        url, name = self.job.request.output.storage, self.job.name if self.begun else None
        for line in stopped_lines(self.folder, getattr(self.objective, "prefix", None), name, url):
            self.watch.screen.say(line)

    def lived(self, there: optuna.Study | None, lines: Sequence[str], callbacks: Sequence[Callback]) -> "Result":
        """Create or continue the study, run its remaining trials, and write its files."""
        job, url = self.job, self.job.request.output.storage
        done = counted(self.watch.known, "trial")
        head = f"study {job.name} in {public(url)}: {done} finished, {self.left} to go"
        old = filter(None, [unrecognised(job.request.output.out, job.name)])
        for line in [head, *lines, *old, *self.taking.lines]:
            self.watch.screen.say(line)
        if self.team is not None and self.team.clean is not None and not has_baseline(there):
            run_clean(self.team.crew, self.team.clean, self.watch.on_event, self.watch.screen.say)
        clean = baseline_of(there, self.objective)
        collect_as_usual()  # workers may train everything
        self.watch.clean = value_of([read(epoch) for epoch in clean], self.watch.metric)
        accept = job.request.running.accept_versions
        with self.reached():
            known = {} if there is None else there.user_attrs
            source = find_study(self.storage, self.taking.source) if self.taking.source else None
            theirs = None if source is None else source.user_attrs
        split = {} if VALIDATION in known else self.objective.validation(self.watch.clean)
        runs: list[Any] = [] if RUNS in known else getattr(self.objective, "clean_table", list)()
        ranges = calibrated(job, self.objective, known, theirs)
        more = {CONSTANT: self.guess, VALIDATION: split, MACHINE: described(), RUNS: runs, CALIBRATED: ranges}
        measured = {BASELINE: clean} | {key: value for key, value in more.items() if value}
        with self.reached():
            study = begin(self.storage, job.name, self.mine, measured, accept)
            close_with(study, self.storage)
            self.begun = True
            take_over(self.taking, study, self.storage)
            self.objective.made_under = made_under(study.user_attrs[KEY], self.device)
        self.job, told = narrow(job, self.objective, study.user_attrs.get(CALIBRATED))
        first = self.first([*finished_of(there), *self.taking.trials])
        for line in [*told, *job.notes(first, self.mine["search"].get("taken", 0))]:
            self.watch.screen.say(line)
        shown = self.shown(study)
        shown.write()
        for line in self.expected(whole_epochs([read(epoch) for epoch in clean], evaluations_in(self.mine))):
            self.watch.screen.say(line)
        try:
            self.search(study, first, callbacks, shown)
        except KeyboardInterrupt:
            shown.write()
            raise
        from studies.report.outputs import write_outputs  # the first step need not wait for plotly and what reads results
        from studies.result import Result

        result = Result(study, url, self.folder)
        result.files = write_outputs(result.summary, self.folder)
        shown.write(result.summary)
        return result

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Use the database after clean training: its server may have been restarted meanwhile, and is waited for."""
        outages = Outages(self.storage.engine, self.watch.screen.say)
        with storage_errors(self.job.request.output.storage), patient(outages):
            yield

    def first(self, known: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
        """Settings of the first trials: the method's defaults, moved into the ranges, and the starting points, each once."""
        usual = self.job.plan.defaults()
        return without([usual, *(point for point in self.mine["search"].get("starts", []) if point != usual)], known)

    def shown(self, study: optuna.Study) -> "Shown":
        """What keeps the study in the dashboard up to date."""
        from studies.report.shown import Shown

        screen, request = self.watch.screen, self.job.request
        data, said = self.mine["data"], {name: self.mine[name] for name in ("direction", "metric")}
        described = {"data": data["data"]} if data.get("data") else {}
        more = said | described if "loop" in data else None
        command = self.command or command_of(request, screen.render, data.get("loop"), more)
        return Shown(study, self.storage, screen.say, screen.render, command, artifact_folder(request.output.out))

    def search(
        self, study: optuna.Study, first: list[dict[str, Any]], callbacks: Sequence[Callback], shown: "Shown"
    ) -> None:
        """Run the remaining trials."""
        running, plan, search = self.job.request.running, self.job.plan, self.mine["search"]
        explore, how = search["explore"], (running.sampler, search["pruner"], running.timeout, running.confirm)
        options = Options(self.job.trials, explore, plan.seed, *how, self.runs, self.job.part)
        per, watch = evaluations_in(self.mine), self.watch
        prepare(study, options, plan.space, first, plan.fixed.get("start_epoch", 0), per)

        def on_finished(trial: FrozenTrial) -> None:
            everyone = list[FrozenTrial]()
            through_outages(lambda: everyone.extend(finished(study)), lambda: None, watch.screen.say)
            watch.on_finished(trial, everyone)
            shown.on_finished(trial)

        stopped = False
        with watch.showing():
            if self.team is not None and self.left:
                watch.workers = len(self.team.crew.members)
                if running.timeout is not None:
                    wait_for_one(self.team.crew, watch.screen.say)  # the time is for trials, not for the start
                began = time.time()
                task = self.team.task(self.job, replace(options, whole=False), first, per)
                heard = on_finished, watch.on_event, watch.screen.say
                stopped = run_shared(self.team.crew, task, study, self.storage, *heard, callbacks)
                options = options.since(began)
            if self.team is None or not self.left or (options.whole and not stopped):
                run_trials(study, self.storage, self.objective, options, on_finished, watch.screen.say, callbacks)
        clear_torn(self.folder)
        if running.timeout is not None and (done := len(finished(study))) < self.job.trials:
            ended = f"{arg('timeout', running.timeout)} ended the search"
            watch.screen.say(f"{ended} at {done} of {counted(self.job.trials, 'trial')}; the same search goes on from here")
            if snapshots(self.folder):
                self.say_left()

    def expected(self, seconds: list[float]) -> list[str]:
        """Lines before the first trial: whether clean training learned anything, and how long the search will take."""
        watch, running = self.watch, self.job.request.running
        assert watch.clean is not None
        guess = self.guess.get(watch.metric)
        learned = nothing_learned("clean training", watch.metric, watch.clean, guess, watch.places, watch.maximize)
        pruned = self.mine["search"]["pruner"] != "none" and self.job.whole > self.mine["search"]["explore"]
        shared = running.prefix_reuse and isinstance(self.job.plan, Plan)
        crew = (1, 1) if self.team is None else (len(self.team.crew.members), self.team.crew.abreast)
        time = estimate(self.job.plan, seconds, self.left, shared, pruned, *crew)
        told = not self.left or (learned is not None and watch.screen.render(learned) in watch.screen.said)
        return [line for line in (None if told else learned, time) if line]
