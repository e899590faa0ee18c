"""What a confirmation found, read from its stages: the same for the terminal, the report, best.yaml and Python."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from optuna.trial import TrialState

from studies.planning.judged import score_in
from studies.results.contenders import CONTROL, apart
from studies.results.digits import shown
from studies.results.further import CLEAN_ARM, ROWS, WINNER_ARM, Further, further_of
from studies.results.judging import Judgement, judge
from studies.results.parts import Parts, parts_of
from studies.results.scored import early
from studies.results.side import Compared, compare
from studies.results.signs import paired
from studies.results.summary import Summary
from studies.running.estimate import passes_in
from studies.running.stage_runs import method_of
from studies.running.stages import PARTS, RACE, VERDICT, Arm, Stage, find_stage

# User attributes of the verdict: the declared number of seeds, what matters to the user, and the reading of the test split.
CAP, SMALLEST, TEST = "cap", "smallest", "test split"
CONTROL_ARM = 2


@dataclass(frozen=True)
class OnTest:
    """The one reading of the test split.

    Args:
        time: When it was read.
        rows: Its rows.
        seeds: How many seeds it was read with.
        winner, clean: Mean values.
        clean_difference, control_difference: The winner against each.
        further: The winner against further rivals, by what they are called in ``against``.
    """

    time: str
    rows: int
    seeds: int
    winner: float
    clean: float
    clean_difference: Compared
    control_difference: Compared | None
    further: dict[str, Compared] = field(default_factory=dict)


@dataclass(frozen=True)
class Confirmed:
    """A verdict, or what is known of it so far.

    Args:
        study: Name of the searched study.
        metric: Its metric.
        maximize: Whether a higher value is better.
        places: Decimals of values.
        winner: The confirmed configuration.
        raced: Configurations in the race; 0 if there was none.
        seeds: Seeds that every arm has.
        first: The first of them.
        cap: The declared number of seeds.
        judgement: The words, and how they were found.
        values: Mean values over the seeds, by arm; runs that failed are left out.
        failures: Sentences about failed runs.
        clean: The winner against clean training.
        control: The winner against its control, if it has one.
        test: The reading of the test split, if there is one.
        optimism: How much better the search's best looked than the winner's mean, if that is known.
        seconds: Mean seconds of a run of the winner against those of clean training.
        passes: Passes of a run of the winner, in runs of clean training.
        smallest: The smallest difference that matters to the user, if given.
        score: Which evaluations a run is scored by: "last", "best" or "soup".
        early: In how many of the winner's runs these lie before its attack.
        parts: The winner taken apart, if that was run: what each of its settings adds to the defaults.
        compute: The winner against clean training with the same compute, if that was asked for.
        tuned: The winner against clean training that was tuned as long, if that was asked for.
    """

    study: str
    metric: str
    maximize: bool
    places: int
    winner: Arm
    raced: int
    seeds: int
    first: int
    cap: int
    judgement: Judgement
    values: dict[str, float]
    failures: list[str]
    clean: Compared
    control: Compared | None
    test: OnTest | None
    optimism: float | None
    seconds: float | None
    passes: float
    smallest: float | None
    score: str = "last"
    early: int = 0
    parts: Parts | None = None
    compute: Further | None = None
    tuned: Further | None = None

    @property
    def further(self) -> list[Further]:
        """Comparisons beside the verdict."""
        return [found for found in (self.compute, self.tuned) if found is not None]

    @property
    def word(self) -> str:
        """About clean training: "better", "worse" or "not separable"."""
        return self.judgement.word

    @property
    def lines(self) -> list[str]:
        """Everything that it says, the answer first."""
        from studies.results.confirm_words import verdict_lines  # it reads what is here

        return verdict_lines(self)

    def shown(self, value: float) -> str:
        """A value as it is printed."""
        return shown(value, self.places)


def judged_so_far(stage: Stage, maximize: bool) -> tuple[Judgement, list[float], list[float] | None]:
    """The judgement of the finished seeds, and the differences against clean training and against the control."""
    cap = int(stage.study.user_attrs[CAP])
    runs = stage.runs()
    values = [stage.values(arm, len(runs) + 1, runs) for arm in range(len(stage.arms))]
    clean = paired(values[WINNER_ARM], values[CLEAN_ARM], maximize)
    control = paired(values[WINNER_ARM], values[CONTROL_ARM], maximize) if len(stage.arms) > CONTROL_ARM else None
    seeds = min(len(clean), len(clean if control is None else control))
    clean, control = clean[:seeds], control and control[:seeds]
    return judge(clean, control, cap), clean, control


def confirmed_of(summary: Summary) -> Confirmed | None:
    """What the confirmation of a study has found so far; None before the first seed of its verdict is complete."""
    stage = find_stage(summary.study, VERDICT)
    if stage is None or CAP not in stage.study.user_attrs:
        return None
    judgement, clean, control = judged_so_far(stage, summary.maximize)
    if not clean:
        return None
    known, winner, seeds = stage.study.user_attrs, stage.arms[WINNER_ARM], len(clean)
    cap, matters, rows = int(known[CAP]), known.get(SMALLEST), known.get(ROWS, {})
    rows = rows if rows.get("seeds") == seeds else {}
    values = {arm.who: finite_mean(stage.values(index, seeds)) for index, arm in enumerate(stage.arms)}
    further = further_of(summary, stage, seeds, cap, matters)
    values |= {found.arm.who: finite_mean(found.values) for found in further.values()}
    race = find_stage(summary.study, RACE)
    optimism = None
    if summary.best is not None and summary.best.value is not None and math.isfinite(values[winner.who]):
        optimism = (summary.best.value - values[winner.who]) * (1 if summary.maximize else -1)
    return Confirmed(
        study=summary.study.study_name,
        metric=summary.metric,
        maximize=summary.maximize,
        places=summary.places,
        winner=winner,
        raced=0 if race is None else len(race.arms),
        seeds=seeds,
        first=stage.first,
        cap=cap,
        judgement=judgement,
        values=values,
        failures=failures_of(stage),
        clean=compare(stage.arms[CLEAN_ARM].who, clean, judgement.word, cap, rows.get("clean"), matters),
        control=None
        if control is None
        else compare(CONTROL, control, judgement.control_word, cap, rows.get("control"), matters),
        test=on_test(stage, summary.maximize, cap, matters),
        optimism=optimism,
        seconds=relative_seconds(stage),
        passes=relative_passes(summary, winner),
        smallest=matters,
        score=score_in(summary.about),
        early=early_runs(stage, summary.per),
        parts=taken_apart(summary, stage, seeds),
        compute=further.get("compute"),
        tuned=further.get("tuned"),
    )


def relative_passes(summary: Summary, winner: Arm) -> float:
    """What a run of the winner costs by its passes, where a run of clean training costs 1."""
    usual = int(summary.about["recipe"]["epochs"])
    return passes_in(method_of(winner), int(winner.recipe.get("epochs", usual))) / usual


def taken_apart(summary: Summary, stage: Stage, seeds: int) -> Parts | None:
    """What the runs show that take the winner apart; None as long as some are missing."""
    parts, values = find_stage(summary.study, PARTS), apart(summary.about, stage.arms[WINNER_ARM])
    if parts is None:
        return None
    return parts_of(parts, stage.values(WINNER_ARM, seeds), stage.values(CLEAN_ARM, seeds), summary.maximize, values)


def finite_mean(values: Sequence[float | None]) -> float:
    """The mean of the runs that have a value; nan if none has."""
    found = [value for value in values if value is not None]
    return fmean(found) if found else math.nan


def failures_of(stage: Stage) -> list[str]:
    """A sentence for each failed run."""
    failed = [(key, run) for key, run in sorted(stage.runs().items()) if run.state is not TrialState.COMPLETE]
    return [f"{stage.arms[arm].who}, seed {seed}: {run.user_attrs.get('failure')}" for (arm, seed), run in failed]


def early_runs(stage: Stage, per: int) -> int:
    """In how many of the winner's runs the evaluations that score it lie before its attack."""
    start = stage.arms[WINNER_ARM].settings.get("start_epoch", 0)
    return sum(early(run, start, per) for (arm, _), run in stage.runs().items() if arm == WINNER_ARM)


def relative_seconds(stage: Stage) -> float | None:
    """Mean seconds of the winner's runs against those of clean training; None if they are not known."""
    found: dict[int, list[float]] = {CLEAN_ARM: [], WINNER_ARM: []}
    for (arm, _), run in stage.runs().items():
        if arm in found and run.state is TrialState.COMPLETE and "seconds" in run.user_attrs:
            found[arm].append(run.user_attrs["seconds"])
    if not all(found.values()) or not fmean(found[CLEAN_ARM]):
        return None
    return fmean(found[WINNER_ARM]) / fmean(found[CLEAN_ARM])


def on_test(stage: Stage, maximize: bool, cap: int, matters: float | None) -> OnTest | None:
    """The reading of the test split; None if it was not read."""
    read: dict[str, Any] | None = stage.study.user_attrs.get(TEST)
    if not read or "values" not in read:
        return None
    values = read["values"]
    rivals = {name: paired(values["winner"], values[name], maximize) for name in values if name != "winner"}
    names = {"clean": stage.arms[CLEAN_ARM].who, "control": CONTROL} | read.get("names", {})
    found = {
        name: compare(names[name], differences, None, cap, read["rows"].get(name), matters)
        for name, differences in rivals.items()
    }
    return OnTest(
        read["time"], read["count"], len(values["winner"]), finite_mean(values["winner"]), finite_mean(values["clean"]),
        found.pop("clean"), found.pop("control", None), found,
    )  # fmt: skip
