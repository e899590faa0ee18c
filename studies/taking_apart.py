"""The winner of a confirmation taken apart, on the verdict's seeds: what each of its settings adds to the defaults."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations

from optuna.storages import RDBStorage

from adv import SettingError
from finetune.arguments import arg
from finetune.config import Recipe, checked
from finetune.errors import UserError
from finetune.words import counted, listed
from studies.planning.versions import changes, told, versions
from studies.report.screen import Screen
from studies.report.stage_watch import StageWatch
from studies.results.confirmed import judged_so_far
from studies.results.contenders import apart, plan_of
from studies.results.further import WINNER_ARM
from studies.results.importance import Finding
from studies.results.summary import Summary
from studies.running.estimate import duration, seconds_of_run
from studies.running.parts import MOST, PLAN, Changed, PartsPlan, path_of, plan_from, plan_in, run_parts
from studies.running.stage_runs import LoopRuns, Runs, method_of
from studies.running.stages import PARTS, Arm, Stage, begin_stage, find_stage, stage_study, write_once


@dataclass
class TakingApart:
    """Takes the winner of one verdict apart.

    Args:
        summary: The search.
        storage: Its database.
        verdict: The verdict's stage.
        wanted: How many of its seeds to take; 0 leaves it out.
        screen: Where progress is printed.
    """

    summary: Summary
    storage: RDBStorage
    verdict: Stage
    wanted: int
    screen: Screen

    def run(self, ready: Callable[[Stage], Runs | LoopRuns]) -> None:
        """Run what is left of it.

        Args:
            ready: Gets data and model ready, and returns what makes the runs of a stage.
        """
        if not self.wanted:
            return
        stage = find_stage(self.summary.study, PARTS) or self._begin()
        if stage is None:
            return
        plan, maximize, name = plan_in(stage), self.summary.maximize, stage.study.study_name
        if self.wanted > plan.seeds and self._seeds() > plan.seeds:
            self.screen.say(f"parts: they keep their {plan.seeds} seeds; for more, first: search.py studies delete {name}")
        if path_of(stage, plan, maximize) is not None:
            return
        runs = ready(stage)
        self.screen.say(self._expected(stage, plan))
        watch = StageWatch(self.screen, stage, plan.most, self.summary.places)
        with watch.showing():
            run_parts(stage, plan, self.storage, runs, maximize, watch.on_finished, watch.say)

    def _seeds(self) -> int:
        """The seeds that every arm of the verdict has."""
        return judged_so_far(self.verdict, self.summary.maximize)[0].seeds

    def _begin(self) -> Stage | None:
        """Write the plan and its arms; None, and a line, where there is nothing to take apart."""
        seeds = min(self.wanted, self._seeds())
        parts = Pieces(self.summary, self.verdict.arms[WINNER_ARM])
        if seeds < 2:
            why = "the verdict has one seed, which shows no spread" if self.wanted > 1 else "one seed shows no spread"
        elif not parts.names:
            why = "the winner has the method's defaults"
        elif not parts.allowed(()):
            why = "the method's defaults are not allowed with what is fixed"
        else:
            if seeds < self.wanted:
                self.screen.say(f"parts: {seeds} seeds, as many as the verdict has, not {self.wanted}")
            study = stage_study(self.summary.study, self.storage, PARTS)
            plan = plan_from(write_once(study, self.storage, PLAN, asdict(parts.plan(seeds))))
            arms = [parts.arm(changed) for changed in plan.arms]
            return begin_stage(self.summary.study, self.storage, PARTS, arms, self.verdict.first)
        self.screen.say(f"parts: {why}, so there is nothing to take apart")
        return None

    def _expected(self, stage: Stage, plan: PartsPlan) -> str:
        """What will be run, how many runs there will be, and how long they take."""
        made = len(stage.runs())
        epochs = self.summary.clean_epochs
        most = max(seconds_of_run(method_of(arm), arm.recipe, epochs) for arm in stage.arms) * (plan.most - made)
        many = len(plan.names)
        what = f"{counted(many, 'setting')} of the winner {'differs' if many == 1 else 'differ'} from the defaults"
        how = "" if plan.greedy else f"; more than {MOST}, so they change in the order of their importances"
        runs = f"at most {counted(plan.most - made, 'run')} on {plan.seeds} of the verdict's seeds"
        cost = f"{runs}, about {duration(most)} at most; {arg('parts', 0)} leaves them out"
        line, then = f"parts: {what} ({listed(plan.names)}){how}: {cost}", self._changed()
        return f"{line}; the verdict's runs were made under other versions: {then}" if then else line

    def _changed(self) -> str:
        """Versions that differ from those of the verdict's runs, in words."""
        run = self.verdict.runs()[WINNER_ARM, self.verdict.seed(0)]
        return told(changes(run.user_attrs.get("versions", self.summary.about["versions"]), versions()))


class Pieces:
    """The configurations between the defaults and a winner.

    Args:
        summary: The search.
        winner: The winner.
    """

    def __init__(self, summary: Summary, winner: Arm) -> None:
        self.summary, self.about, self.usual = summary, summary.about, plan_of(summary.about).defaults()
        self.changes = apart(summary.about, winner)
        self.names = tuple(self.changes)

    def arm(self, changed: Changed) -> Arm:
        """The defaults with some settings of the winner."""
        own = {name: self.changes[name][1] for name in changed}
        settings, recipe = dict(self.about["fixed"]) | self.usual | own, self.about["recipe"]
        tuned = {name: settings.pop(name) for name in list(settings) if name in recipe}
        who = f"{listed(changed)} changed" if changed else "the defaults"
        changed_recipe = {name: value for name, value in tuned.items() if value != recipe[name]}
        return Arm(who, self.about["method"], settings, changed_recipe)

    def allowed(self, changed: Changed) -> bool:
        """Whether such a configuration can be run."""
        arm = self.arm(changed)
        try:
            method_of(arm)
            if "loop" not in self.about["data"]:
                checked(Recipe, self.about["recipe"] | arm.recipe)
        except (SettingError, UserError, TypeError):
            return False
        return True

    def plan(self, seeds: int) -> PartsPlan:
        """What to run."""
        findings = self.summary.importances
        greedy, pair = len(self.names) <= MOST, strongest_pair(findings, self.names)
        names = self.names if greedy else by_importance(findings, self.names)
        if greedy:
            wanted: list[Changed] = [each for size in range(len(names)) for each in combinations(names, size)]
        else:
            two = pair or names[:2]
            corners = [(two[0],), (two[1],), tuple(name for name in names if name in two)]
            wanted = list(dict.fromkeys([*(names[:size] for size in range(len(names))), *corners]))
        return PartsPlan(names, seeds, greedy, [each for each in wanted if self.allowed(each)], pair)


def strongest_pair(findings: list[Finding], names: Changed) -> Changed | None:
    """The two of these settings that explain most together, if a pair was found."""
    pairs = [row for row in findings if row.evidence and len(row.settings) == 2 and set(row.settings) <= set(names)]
    return max(pairs, key=lambda row: row.share).settings if pairs else None


def by_importance(findings: list[Finding], names: Changed) -> Changed:
    """The settings, the most important first; what was found comes before what was not."""

    def rank(name: str) -> tuple[bool, float]:
        return max(((row.evidence, row.share) for row in findings if name in row.settings), default=(False, 0.0))

    return tuple(sorted(names, key=rank, reverse=True))
