"""Confirm the best of a search: a race for the winner, a verdict on seeds of its own, and the test split, read once."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.errors import UserError, writing
from finetune.tasks.metrics import viewed
from finetune.training.bench import Bench
from finetune.training.benches import Benches
from finetune.words import counted, listed
from studies.again import Train, benches_again, runs_again
from studies.planning.confirm_request import ConfirmRequest
from studies.planning.identity import folds_of
from studies.planning.versions import changes, told, versions
from studies.report.outputs import write_outputs
from studies.report.screen import Screen
from studies.report.shown import Shown
from studies.report.stage_watch import StageWatch
from studies.result import Result
from studies.results.confirmed import CAP, SMALLEST, TEST, judged_so_far
from studies.results.contenders import compared_with, contenders
from studies.results.further import ROWS
from studies.results.rows import Arms, over_rows, read_test
from studies.results.signs import FIRST
from studies.results.summary import Summary, summarise
from studies.rivals import Rivals
from studies.running.artifacts import artifact_folder
from studies.running.estimate import duration, seconds_of_run
from studies.running.folder import study_folder
from studies.running.leftovers import clear_torn
from studies.running.loop import terminable
from studies.running.presence import present
from studies.running.race import race, runs_of
from studies.running.split_error import is_share
from studies.running.stage_runs import LoopRuns, Runs, method_of
from studies.running.stages import AFTER, RACE, VERDICT, Arm, Stage, begin_stage, find_stage, run_until, write_once
from studies.running.storage import opened, storage_errors
from studies.running.workers.crew import Crew
from studies.taking_apart import TakingApart
from studies.working import crew_of
from studies.working_again import LoadingAgain, StageRuns, by_crew


@dataclass
class Confirmation:
    """The confirmation of one study.

    Args:
        request: How to confirm.
        summary: The search.
        storage: Its database.
        folder: Folder of its files.
        train: The user's own loop, if the study is one of ``tune``.
        screen: Where progress is printed.
        crew: The workers that make its runs; None makes them here.
    """

    request: ConfirmRequest
    summary: Summary
    storage: RDBStorage
    folder: Path
    train: Train | None
    screen: Screen
    crew: Crew | None = None
    bench: Bench | None = None
    benches: Benches | None = None

    def run(self) -> None:
        """Run what is left of it.

        Raises:
            UserError: It cannot be run.
            KeyboardInterrupt: It was stopped; the same call goes on.
        """
        stage, rivals = find_stage(self.summary.study, VERDICT), Rivals(self)
        if stage is not None and self._settled(stage):
            rivals.run(stage)
        else:
            self._prepare()
            stage = stage or self._verdict(self._winner(rivals))
            rivals.declare(stage)
            self._judge(stage)
            rivals.run(stage)
            self._conclude(stage, rivals)
        if self.request.smallest is not None:
            stage.study.set_user_attr(SMALLEST, self.request.smallest)
        TakingApart(self.summary, self.storage, stage, self.request.parts, self.screen).run(self.ready)

    def _settled(self, stage: Stage) -> bool:
        """Whether there is nothing left to run, so that neither data nor model is needed."""
        known = stage.study.user_attrs
        return CAP in known and (TEST in known or ROWS in known) and self._enough(stage)

    def _enough(self, stage: Stage) -> bool:
        """Whether no further seed is asked for."""
        judgement, _, _ = judged_so_far(stage, self.summary.maximize)
        cap = int(stage.study.user_attrs[CAP])
        found = judgement.decided and (judgement.word != "not separable" or self.request.seeds <= cap)
        return found or judgement.seeds >= self.request.seeds

    def _prepare(self) -> None:
        """Read data and model, and see that they are those of the search.

        Raises:
            UserError: They are not, or cannot be read.
        """
        about, name = self.summary.about, self.summary.study.study_name
        if self.crew is not None and not self.crew.there:  # they get ready while this process does
            self.crew.ready(LoadingAgain(about, name, self.summary.metric, self.train))
        if "loop" in about["data"]:
            return
        self.benches = benches_again(about, name, self.summary.metric)
        self.bench = self.benches.whole
        if changed := changes(about["versions"], versions()):
            self.screen.say(
                f"versions have changed since the search: {told(changed)}; all runs compared here have the new ones"
            )

    @property
    def viewed(self) -> bool:
        """Whether values are those of another view: predictions of the rows as they are say nothing about them."""
        return bool(viewed(self.summary.metric)[0])

    def ready(self, stage: Stage, keeps: bool = False) -> Runs | LoopRuns:
        """What makes the runs of a stage; data and model are read if they have not been."""
        if self.bench is None:
            self._prepare()
        source = self.benches or self.train
        assert source is not None
        about, metric = self.summary.about, self.summary.metric
        runs = runs_again(stage, about, source, metric, self.folder, keeps)
        if self.crew is not None:
            asked = StageRuns(str(self.storage.url), stage.study.study_name, about, metric, self.folder, keeps)
            runs.share = by_crew(self.crew, asked, stage, self.storage)
        return runs

    def _winner(self, rivals: Rivals) -> Arm:
        """The winner of the race, or the best trial if there is none."""
        summary, say = self.summary, self.screen.say
        there = find_stage(summary.study, RACE)
        arms, lines = contenders(summary, self.request.race)
        arms = arms if there is None else there.arms
        compared, more = compared_with(arms[0])
        for line in [*([] if there else lines), *more, self._expected(arms, compared, rivals)]:
            say(line)
        won = self.raced(summary, arms)
        if len(arms) > 1:
            say(f"race: {won.who} goes into the verdict")
        return won

    def raced(self, search: Summary, arms: list[Arm]) -> Arm:
        """The winner of a race between configurations of a search; one alone has won."""
        if len(arms) < 2:
            return arms[0]
        first = int(self.summary.about["recipe"]["seed"]) + AFTER[RACE]
        stage = begin_stage(search.study, self.storage, RACE, arms, first)
        watch = StageWatch(self.screen, stage, runs_of(len(stage.arms)), search.places)
        with watch.showing():
            place = race(stage, self.storage, self.ready(stage), search.maximize, watch.on_finished, watch.say)
        return stage.arms[place]

    def _expected(self, arms: list[Arm], compared: list[Arm], rivals: Rivals) -> str:
        """How many runs there will be, and how long they take."""
        epochs = self.summary.clean_epochs
        each, many = [seconds_of_run(method_of(arm), arm.recipe, epochs) for arm in arms], runs_of(len(arms))
        seeds = self.request.seeds
        together = sum(seconds_of_run(method_of(arm), arm.recipe, epochs) for arm in compared)
        further, more = rivals.expected(arms[0], epochs)
        most = sum(each) / len(each) * many + together * seeds + more
        parts = [f"{counted(many, 'run')} for the race"] if many else []
        names = "the winner, clean training and its control" if len(compared) > 2 else "the winner and clean training"
        parts.append(f"at most {len(compared) * seeds} for the verdict ({names} on up to {counted(seeds, 'seed')})")
        return f"confirmation: {listed([*parts, *further])}, about {duration(most)} at most"

    def _verdict(self, winner: Arm) -> Stage:
        """Begin the verdict: what it compares."""
        first = int(self.summary.about["recipe"]["seed"]) + AFTER[VERDICT]
        return begin_stage(self.summary.study, self.storage, VERDICT, compared_with(winner)[0], first)

    def _judge(self, stage: Stage) -> None:
        """Declare the number of seeds, and make runs, all of one seed before the next, until the verdict is decided."""
        write_once(stage.study, self.storage, CAP, self.request.seeds)
        summary, many, seeds = self.summary, len(stage.arms), self.request.seeds
        runs, watch = self.ready(stage, keeps=True), StageWatch(self.screen, stage, many * seeds, summary.places)
        said = ""

        def order(number: int) -> tuple[int, int]:
            return number % many, stage.seed(number // many)

        with watch.showing():
            while not self._enough(stage):
                made = judged_so_far(stage, summary.maximize)[0].seeds
                upto = min(max(made + 1, FIRST), seeds)
                run_until(stage, self.storage, runs, order, upto * many, watch.on_finished, watch.say)
                for index in range(made, upto):
                    runs.forget(stage.seed(index))
                if upto >= FIRST:
                    judgement = judged_so_far(stage, summary.maximize)[0]
                    if judgement.why != said:  # between looks it stays as it is
                        watch.say(f"after {counted(upto, 'seed')}: {judgement.why}")
                    said = judgement.why

    def _conclude(self, stage: Stage, rivals: Rivals) -> None:
        """What needs the labels of rows: the interval over rows, and the test split, read once."""
        seeds = judged_so_far(stage, self.summary.maximize)[0].seeds
        if self.bench is None:
            stage.study.set_user_attr(ROWS, {})
            return
        task, metric, names = self.bench.task, self.summary.metric, ("clean", "winner", "control")
        arms: Arms = {name: (stage, arm) for name, arm in zip(names, range(len(stage.arms)), strict=False)}
        view, metric = viewed(metric)
        # The predictions are those of the rows as they are, and say nothing about the value in another view.
        # Where values are means over folds, neither do they, unless the metric is a share of rows.
        apart = view or (folds_of(self.summary.about).fold_score == "mean" and not is_share(task, metric))
        rows = {} if apart else over_rows(arms, seeds, "validation", task, metric, self.summary.maximize)
        stage.study.set_user_attr(ROWS, rows | {"seeds": seeds})
        if TEST not in stage.study.user_attrs:
            now = datetime.now().strftime("%Y-%m-%d %H:%M")
            further = rivals.arms(seeds)
            found = read_test({**arms, **further}, seeds, task, metric, self.summary.maximize)
            known = {"time": now, "names": {name: one.arms[0].who for name, (one, _) in further.items()}}
            write_once(stage.study, self.storage, TEST, known | found)
            if view:
                self.screen.say(f"the test split is read as it is, with {metric}: {view} is a view of the validation rows")
            if "why" in found:
                self.screen.say(f"the test split was not read: {found['why']}")


def confirm_study(
    request: ConfirmRequest, url: str, name: str | None, out: str, train: Train | None, screen: Screen
) -> Result:
    """Confirm the best of a study, or go on with that.

    Raises:
        UserError: There is no such study, it has nothing to confirm, or its data or model is not what it was.
        KeyboardInterrupt: It was stopped; the same call goes on.
    """
    study, storage = opened(url, name)
    summary = summarise(study)
    refuse_loop(summary, train)
    contenders(summary, 0)  # refuses a study without a complete trial
    folder = study_folder(out, study.study_name)
    threads = summary.about["recipe"].get("threads") if train is None else None
    if summary.second is not None:
        screen.say(f"the confirmation is about {summary.metric}, the first metric; {summary.second.metric} is left out")
    with storage_errors(url), terminable(), writing(arg("out", out)), present(folder), ExitStack() as stack:
        crew = crew_of(request, threads, screen, url)
        if crew is not None:
            stack.enter_context(crew)
        Confirmation(request, summary, storage, folder, train, screen, crew).run()
        clear_torn(folder)
        result = Result(study, url, folder)
        result.files = write_outputs(result.summary, folder)
        # The command that goes on with the search stays as it is known.
        Shown(study, storage, screen.say, screen.render, "", artifact_folder(out)).write(result.summary)
    return result


def refuse_loop(summary: Summary, train: Train | None) -> None:
    """Refuse a study of the user's own loop without it, and a loop for another study.

    Raises:
        UserError: One is missing.
    """
    own, name = "loop" in summary.about["data"], summary.study.study_name
    if own and train is None:
        loop = summary.about["data"]["loop"]
        raise UserError(
            f"study {name!r} was searched with your own loop {loop}: in Python, confirm(study={name!r}, train=...)"
        )
    if not own and train is not None:
        raise UserError(f"{arg('train')}: study {name!r} was searched with the built-in loop; leave it out")
