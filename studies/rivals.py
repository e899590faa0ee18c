"""Further rivals of a winner on the verdict's seeds: clean training with the same compute, and tuned as long."""

import math
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import optuna

from finetune.arguments import arg, as_arguments
from finetune.config import Data, Recipe
from finetune.errors import UserError
from finetune.words import counted, listed
from spaces import Space
from spaces.recipe import around
from studies.looping import search_one_loop
from studies.planning.identity import data_of
from studies.planning.loop_plan import LoopPlan
from studies.planning.plan import Plan
from studies.planning.request import Aim, Output, Request, Running
from studies.planning.resolve import Job
from studies.report.stage_watch import StageWatch
from studies.results.confirmed import judged_so_far
from studies.results.contenders import contenders, plan_of
from studies.results.further import DECLARED, ROWS, WINNER_ARM
from studies.results.rows import Arms, over_rows
from studies.results.summary import summarise
from studies.running.command import elsewhere
from studies.running.estimate import passes_in
from studies.running.race import runs_of
from studies.running.stage_runs import method_of
from studies.running.stages import (
    AGAINST,
    TUNED,
    Arm,
    Stage,
    begin_stage,
    find_stage,
    run_until,
    stage_study,
    write_once,
)
from studies.searching import search_one

if TYPE_CHECKING:
    from studies.confirming import Confirmation

# What is tuned for clean training, besides the recipe values that the search itself tuned.
RECIPE_OF_RIVAL = ("learning_rate", "weight_decay", "epochs")
# The number of trials of the tuned rival: a user attribute of its study, written once.
BUDGET = "trials"
SAME_COST = "the winner costs no more passes than clean training, which is compared already"
OWN_LOOP = f"the search tuned no values of {arg('recipe')}: which ones your own loop has is not known"


class Rivals:
    """The further rivals of one confirmation.

    Args:
        of: The confirmation.
    """

    def __init__(self, of: "Confirmation") -> None:
        self.of, self.summary, self.storage = of, of.summary, of.storage

    def wanted(self, verdict: Stage | None) -> list[str]:
        """What is asked for now, and what was asked for or declared before, in one order."""
        before = [] if verdict is None else verdict.study.user_attrs.get(DECLARED, [])
        there = [name for name, kind in AGAINST.items() if find_stage(self.summary.study, kind)]
        return [name for name in AGAINST if name in {*self.of.request.against, *before, *there}]

    def declare(self, verdict: Stage) -> None:
        """Write down what the winner will be compared with, before the first seed shows anything."""
        if not verdict.runs():
            write_once(verdict.study, self.storage, DECLARED, self.wanted(verdict))

    def expected(self, winner: Arm, epochs: list[float]) -> tuple[list[str], float]:
        """What the rivals take at most, in words and in seconds.

        Args:
            winner: The winner, or who may be it.
            epochs: Seconds of each epoch of clean training.
        """
        seeds, words, seconds = self.of.request.seeds, list[str](), 0.0
        for name in self.wanted(None):
            longer = self.longer(winner) if name == "compute" else 2 * len(epochs)
            if self.why_not(name, winner) is None:
                trials, raced = self.budget(name)
                before = [counted(trials, "trial")] * bool(trials) + [counted(raced, "run")] * bool(raced)
                more = f" ({listed(before)} before)" if before else ""
                words.append(f"at most {seeds} against {name}{more}")
                seconds += (trials * 1.25 * len(epochs) + (raced + seeds) * longer) * median(epochs)
        return words, seconds

    def budget(self, name: str) -> tuple[int, int]:
        """Trials and runs of a race before a rival meets the winner."""
        trials = len(self.summary.trials)
        return (trials, runs_of(min(self.of.request.race, trials))) if name == "tuned" else (0, 0)

    def run(self, verdict: Stage) -> None:
        """Run every rival on the seeds that the verdict has.

        Raises:
            UserError: A rival cannot be run.
            KeyboardInterrupt: It was stopped; the same call goes on.
        """
        seeds = judged_so_far(verdict, self.summary.maximize)[0].seeds
        for name in self.wanted(verdict):
            stage = find_stage(self.summary.study, AGAINST[name]) or self._begin(name, verdict)
            if stage is not None:
                self._meet(name, stage, verdict, seeds)

    def arms(self, seeds: int) -> Arms:
        """The rivals that have these seeds."""
        found = {name: find_stage(self.summary.study, kind) for name, kind in AGAINST.items()}
        return {name: (stage, 0) for name, stage in found.items() if stage and len(stage.values(0, seeds)) == seeds}

    def _begin(self, name: str, verdict: Stage) -> Stage | None:
        """Begin the runs of a rival; None, and a line, if there is no such rival."""
        winner = verdict.arms[WINNER_ARM]
        why = self.why_not(name, winner)
        arm = None
        if why is None:
            try:
                arm = self._tuned() if name == "tuned" else self._longer(winner)
            except UserError as error:  # the verdict has been run: it must be concluded all the same
                why = error.text
        if arm is None:
            self.of.screen.say(f"not compared with {name}: {why}")
            return None
        return begin_stage(self.summary.study, self.storage, AGAINST[name], [arm], verdict.first)

    def _meet(self, name: str, stage: Stage, verdict: Stage, seeds: int) -> None:
        """Make the rival's runs, and what needs the rows' labels."""
        if len(stage.values(0, seeds)) == seeds and stage.study.user_attrs.get(ROWS, {}).get("seeds") == seeds:
            return
        runs, watch = self.of.ready(stage, keeps=True), StageWatch(self.of.screen, stage, seeds, self.summary.places)

        def order(number: int) -> tuple[int, int]:
            return 0, stage.seed(number)

        with watch.showing():
            run_until(stage, self.storage, runs, order, seeds, watch.on_finished, watch.say)
        stage.study.set_user_attr(ROWS, self._rows(name, stage, verdict, seeds) | {"seeds": seeds})

    def _rows(self, name: str, stage: Stage, verdict: Stage, seeds: int) -> dict[str, dict[str, float]]:
        """The interval over seeds and rows."""
        if self.of.bench is None or self.of.viewed:
            return {}
        arms = {"winner": (verdict, WINNER_ARM), name: (stage, 0)}
        return over_rows(arms, seeds, "validation", self.of.bench.task, self.summary.metric, self.summary.maximize)

    def why_not(self, name: str, winner: Arm) -> str | None:
        """Why there is no such rival; None if there is."""
        if name == "compute":
            return SAME_COST if self.longer(winner) <= self.epochs else None
        if self.summary.about["method"] == "none":
            return "the search itself tuned clean training"
        return None if self.space() else OWN_LOOP

    @property
    def epochs(self) -> int:
        """Epochs of the search's recipe."""
        return int(self.summary.about["recipe"]["epochs"])

    def longer(self, winner: Arm) -> int:
        """For how many epochs clean training costs as many passes as the winner, rounded up."""
        return math.ceil(passes_in(method_of(winner), int(winner.recipe.get("epochs", self.epochs))) - 1e-9)

    def _longer(self, winner: Arm) -> Arm:
        """Clean training with the winner's compute."""
        epochs = self.longer(winner)
        return Arm(f"clean training for {epochs} epochs", "none", {}, {"epochs": epochs})

    def _tuned(self) -> Arm:
        """Clean training with the best recipe of a search of its own, chosen as the winner was.

        Raises:
            UserError: The search failed, or no trial of it is complete.
        """
        study = stage_study(self.summary.study, self.storage, TUNED)
        trials = int(write_once(study, self.storage, BUDGET, len(self.summary.trials)))
        names = f"{trials} trials of {', '.join(self.space())}"
        self.of.screen.say(f"against tuned: clean training gets the search's budget, {names}")
        found = summarise(self._search(study.study_name, trials))
        if found.best is None:
            raise UserError("no trial of tuned clean training is complete")
        arms, _ = contenders(found, self.of.request.race)
        won = self.of.raced(found, arms)
        return Arm(f"tuned clean training ({won.who.partition(' (')[0]})", "none", {}, won.recipe, trial=won.trial)

    def space(self) -> Space:
        """What is tuned for clean training: the usual values of the recipe, and those that the search tuned."""
        about, space = self.summary.about, self.summary.space
        own = {name: distribution for name, distribution in space.items() if name in about["recipe"]}
        if "loop" in about["data"]:
            return own
        return {name: around(name, about["recipe"][name]) for name in RECIPE_OF_RIVAL} | own

    def _search(self, name: str, trials: int) -> optuna.Study:
        """Search the recipe of clean training, or go on with that."""
        summary, of = self.summary, self.of
        about, how = summary.about, summary.about["search"]
        plan = replace(plan_of(about), method="none", fixed={}, space=self.space())
        explore = max(1, min(trials, how["explore"] - how.get("taken", 0)))
        kinds = {key: how[key] for key in ("sampler", "pruner") if key in how}
        request = Request(
            Aim(method=("none",), trials=trials),
            data_of(about) if isinstance(plan, Plan) else Data(task="reviews"),
            plan.recipe if isinstance(plan, Plan) else Recipe(epochs=plan.epochs, seed=plan.seed),
            Running(explore=explore, accept_versions=True, confirm=True, **kinds),
            Output(storage=str(self.storage.url), study=name, out=str(of.folder.parent)),
        )
        command = self._command()
        if isinstance(plan, LoopPlan):
            assert of.train is not None
            way = "maximize" if summary.maximize else "minimize"
            loop = Job(request, plan, [], name)
            found = search_one_loop(loop, of.train, summary.metric, way, self.storage, of.screen, (), command, of.crew)
            return found.study
        assert of.benches is not None
        job = Job(request, plan, [], name)
        return search_one(job, summary.metric, of.benches, self.storage, of.screen, (), command, of.crew).study

    def _command(self) -> str:
        """What goes on with the search of clean training's recipe, for its note in the dashboard."""
        words = [arg("study", self.summary.study.study_name), arg("against", "tuned")]
        words += elsewhere(str(self.storage.url), str(self.of.folder.parent))
        said = [self.of.screen.render(word) for word in words]
        if self.of.train is None and said[0].startswith("--"):
            return " ".join(["python search.py confirm", *said])
        return f"confirm({', '.join(as_arguments(word) for word in words)})"
