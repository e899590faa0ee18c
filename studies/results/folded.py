"""What folds and seeds mean for a study: what its values are, and how far they spread over the runs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from finetune.arguments import arg
from finetune.folds import Folds
from finetune.tasks.metrics import viewed
from finetune.tasks.task import Task
from finetune.words import counted
from studies.planning.identity import folds_of
from studies.results.digits import shown
from studies.results.summary import Summary
from studies.running.foreign import RUNS, is_number


def rows_told(task: Task) -> str:
    """How many rows train and score: "150 train and 50 validation rows", "200 rows in 4 folds"."""
    if task.fold_of is None:
        return f"{len(task.train)} train and {counted(len(task.validation), 'validation row')}"
    return f"{len(task.train)} rows in {counted(task.folds, 'fold')}"


def runs_told(task: Task, folds: Folds, metric: str) -> list[str]:
    """A line about the runs of a trial and how they are judged together; none if a trial is one run."""
    runs = task.folds * folds.seeds
    if runs == 1:
        return []
    of = f"{counted(task.folds, 'fold')} x {counted(folds.seeds, 'seed')}" if folds.seeds > 1 else "one on each fold"
    of = of if task.folds > 1 else f"one with each of {folds.seeds} seeds"
    return [f"a trial is {counted(runs, 'run')} ({of}); its value is {value_told(folds, task.folds, metric)}"]


def value_told(folds: Folds, many: int, metric: str) -> str:
    """What the value of a trial is.

    Args:
        folds: Folds and seeds.
        many: How many folds there are.
        metric: The metric.
    """
    seeds = f", the mean over {folds.seeds} seeds" if folds.seeds > 1 else ""
    if many == 1:
        return f"the mean {metric} over the {folds.seeds} seeds"
    view = viewed(metric)[0]
    if folds.fold_score == "mean" or view:
        why = f"{view} is measured fold by fold" if view and folds.fold_score != "mean" else arg("fold_score", "mean")
        return f"the mean {metric} over the folds{seeds.replace('the mean over', 'and over')} ({why})"
    other = f"; {arg('fold_score', 'mean')} takes the mean over the folds"
    return f"the {metric} of the out-of-fold predictions of all rows together{seeds}{other}"


def runs_of(summary: Summary) -> int:
    """How many runs a trial has."""
    return max(1, len(summary.attrs.get(RUNS, [])))


def folds_in(summary: Summary) -> int:
    """How many folds there are; 1 without folds."""
    return max(1, len({run["fold"] for run in summary.attrs.get(RUNS, [])}))


def seeds_told(summary: Summary) -> str:
    """On how many seeds a trial is measured: "one seed", "3 seeds"."""
    seeds = folds_of(summary.about).seeds
    return "one seed" if seeds == 1 else f"{seeds} seeds"


def facts_of_runs(summary: Summary) -> dict[str, str]:
    """What a trial is, and how the best one spreads over the folds; empty if a trial is one run."""
    if runs_of(summary) == 1:
        return {}
    folds, many = folds_of(summary.about), folds_in(summary)
    runs = " x ".join([counted(many, "fold")] * (many > 1) + [counted(folds.seeds, "seed")] * (folds.seeds > 1))
    value = value_told(folds, many, summary.metric)
    rows = {"Folds and seeds": f"{runs}: a trial is {counted(runs_of(summary), 'run')}, and its value is {value}"}
    spread = over_runs(summary)
    return rows if spread is None else rows | {"Run by run": spread}


def over_runs(summary: Summary) -> str | None:
    """The best trial against clean training fold by fold, or without folds seed by seed; None if that is not known."""
    spread = spread_of(summary)
    if spread is None or summary.best is None:
        return None
    return compared(spread, folds_in(summary) > 1, summary.maximize, summary.places)


def compared(spread: "Spread", folds: bool, maximize: bool, places: int) -> str:
    """A sentence about the paired differences; where no run differs, about the runs alone."""
    names, pairs = ("fold", spread.differences) if folds else ("seed", spread.of_seeds)
    gains = [value if maximize else -value for value in pairs.values()]
    printed, many = [round(gain, places) + 0.0 for gain in gains], len(gains)
    better = sum(gain > 0 for gain in printed)
    ends = [shown(end, places) for end in (*span(spread.best), *span(spread.clean))]
    if spread.best == spread.clean:
        return f"runs of the best, as of clean training, from {ends[0]} to {ends[1]}"
    each = ", ".join(f"{gain:+.{places}f}" for gain in printed)
    mean, error = float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(many)) if many > 1 else 0.0
    told = f"mean {round(mean, places) + 0.0:+.{places}f}, standard error {shown(error, places)}"
    return (
        f"the best against clean {names} by {names}: {each} ({better} of {many} better; {told}); runs of the best from "
        f"{ends[0]} to {ends[1]}, of clean training from {ends[2]} to {ends[3]}"
    )


def span(values: dict[tuple[int, int], float]) -> tuple[float, float]:
    """The smallest and the largest value."""
    return min(values.values()), max(values.values())


@dataclass(frozen=True)
class Spread:
    """One metric over the runs of a trial and of clean training, run by run.

    Args:
        best: Its values in the best trial, by fold and seed.
        clean: Its values in clean training.
    """

    best: dict[tuple[int, int], float]
    clean: dict[tuple[int, int], float]

    @property
    def differences(self) -> dict[int, float]:
        """For each fold the best trial's value less that of clean training, on the same seeds."""
        return {fold: at(self.best, fold) - at(self.clean, fold) for fold in sorted({fold for fold, _ in self.best})}

    @property
    def of_seeds(self) -> dict[int, float]:
        """The same for each seed, over the folds."""
        turned = [{(seed, fold): value for (fold, seed), value in each.items()} for each in (self.best, self.clean)]
        return Spread(*turned).differences


def at(values: dict[tuple[int, int], float], fold: int) -> float:
    """The mean over the seeds of one fold."""
    return float(np.mean([value for (place, _), value in values.items() if place == fold]))


def spread_of(summary: Summary, trial: FrozenTrial | None = None) -> Spread | None:
    """The runs of a trial, by default the best one, and of clean training; None if they are not known.

    Args:
        summary: The study.
        trial: A complete trial.
    """
    trial = summary.best if trial is None else trial
    best = by_run([] if trial is None else trial.user_attrs.get(RUNS, []), summary.metric)
    clean = by_run(summary.study.user_attrs.get(RUNS, []), summary.metric)
    return Spread(best, clean) if best and best.keys() == clean.keys() else None


def by_run(runs: list[dict[str, Any]], metric: str) -> dict[tuple[int, int], float]:
    """The values of a metric by fold and seed; of a fold that does not define it there is none."""
    found = {(run["fold"], run["seed"]): run["metrics"].get(metric) for run in runs}
    return {place: float(value) for place, value in found.items() if is_number(value)}
