"""What a study found, computed once for the terminal, the report and the exported configuration."""

import json
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from adv import METHODS, SettingError
from adv.core.settings import DECIMALS, without_fraction
from finetune.config import Recipe, checked
from finetune.errors import UserError
from finetune.tasks.metrics import part_of
from finetune.training.epoch import Epoch, metrics_of, read, value_of, whole_epochs
from spaces import Space
from studies.planning.calibrated import CALIBRATED, narrowed
from studies.planning.directions import SECOND
from studies.planning.identity import BASELINE, CONSTANT, VALIDATION, identity_of
from studies.planning.judged import evaluations_in
from studies.planning.part import Part
from studies.results.broken import of_few_rows
from studies.results.digits import gained, nothing_learned, places_of, shown
from studies.results.idle import idle_settings
from studies.results.importance import Finding, Matters, matters
from studies.results.second import Second, second_of, undominated
from studies.running.foreign import is_number, measured, notes, readable, why_foreign
from studies.running.two_metrics import read_by

if TYPE_CHECKING:
    from studies.results.confirmed import Confirmed
    from studies.results.costs import Costly


@dataclass(frozen=True)
class Summary:
    """One study at one moment.

    Args:
        study: The Optuna study.
        about: Its identity: method, data, recipe, space, versions.
        space: The declared space.
        trials: Finished trials by number.
        best: The best complete trial, or None.
        baseline: Evaluations of clean training with the same recipe and seed.
        idle: Sentences about settings that did nothing.
        notes: Sentences, by trial number, about trials that the search could not have made.
        second: The second metric, if the study has two: all else is about the first.
        front: The trials that ``undominated`` leaves, the best in the first metric first.
    """

    study: optuna.Study
    about: dict[str, Any]
    space: Space
    trials: list[FrozenTrial]
    best: FrozenTrial | None
    baseline: list[Epoch]
    idle: list[str]
    notes: dict[int, str]
    second: Second | None = None
    front: tuple[FrozenTrial, ...] = ()

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """The study's user attributes at that moment: Optuna reads them from the database whenever they are asked for."""
        return dict(self.study.user_attrs)

    @property
    def metric(self) -> str:
        return str(self.about["metric"])

    @property
    def maximize(self) -> bool:
        return bool(self.about["direction"] == "maximize")

    @property
    def measured(self) -> dict[str, Any] | None:
        """The ranges that were measured before the search; None if it searches the declared ones."""
        return self.attrs.get(CALIBRATED)

    @property
    def explore(self) -> int:
        """Trials before this number are the exploration phase."""
        return Part.of_study(self.about).below(int(self.about["search"]["explore"]))

    @cached_property
    def matters(self) -> Matters:
        """What breaks training, and what makes it better."""
        own = [trial for trial in self.trials if not self.foreign(trial)]
        rows, error = self.split_error
        return matters(own, self.space, self.explore, self.maximize, self.clean, of_few_rows(rows, error))

    @property
    def split_error(self) -> tuple[int | None, float | None]:
        """The number of validation rows and the standard error of the value over them, as far as they are known."""
        found = self.attrs.get(VALIDATION) or {}
        return found.get("rows"), found.get("error", {}).get(self.metric)

    @property
    def importances(self) -> list[Finding]:
        """How much settings and pairs explain; empty if there are few trials."""
        return self.matters.findings

    @cached_property
    def costs(self) -> "list[Costly]":
        """What each searched setting does to the cost of a run."""
        from studies.results.costs import costs_of  # it reads a summary

        return costs_of(self)

    @property
    def per(self) -> int:
        """Evaluations in an epoch."""
        return evaluations_in(self.about)

    @property
    def clean_epochs(self) -> list[float]:
        """Seconds of each epoch of clean training."""
        return whole_epochs(self.baseline, self.per)

    @property
    def clean(self) -> float:
        """The baseline's value."""
        return value_of(self.baseline, self.metric)

    @property
    def gain(self) -> float | None:
        """How much better the best trial is than the baseline (positive: better) at the printed digits, on one seed."""
        if self.best is None or self.best.value is None:
            return None
        return gained(self.best.value, self.clean, self.places, self.maximize)

    @cached_property
    def constant(self) -> float | None:
        """The value of the constant guess; None in studies that do not have it."""
        found = self.attrs.get(CONSTANT, {}).get(self.metric)
        return None if found is None else float(found)

    @cached_property
    def confirmed(self) -> "Confirmed | None":
        """What the confirmation found, or has found so far; None before its first seed is complete."""
        from studies.results.confirmed import confirmed_of  # it reads a summary

        return confirmed_of(self)

    @property
    def places(self) -> int:
        """Decimals of all values of the metric."""
        return places_of(self.maximize, self.clean if self.constant is None else self.constant)

    def shown(self, value: float) -> str:
        """A value of the metric as it is printed."""
        return shown(value, self.places)

    def guesses(self, value: float) -> bool:
        """Whether a value is no better than the constant guess's; False if that is not known."""
        return self.constant is not None and gained(value, self.constant, self.places, self.maximize) <= 0

    @property
    def clean_unlearned(self) -> str | None:
        """A sentence if clean training does not beat the constant guess; None if it does."""
        facts = (self.constant, self.places, self.maximize)
        return nothing_learned("clean training", self.metric, self.clean, *facts)

    @property
    def unlearned(self) -> list[str]:
        """A sentence each for clean training and the best trial, if they do not beat the constant guess."""
        facts = (self.constant, self.places, self.maximize)
        clean = self.clean_unlearned
        lines = [clean] if clean else []
        if self.best is not None and self.best.value is not None:
            best = nothing_learned(f"the best trial ({self.best.number})", self.metric, self.best.value, *facts)
            if best:
                lines.append("the best trial does not beat the constant guess either" if clean else best)
        return lines

    @property
    def targets(self) -> dict[str, tuple[float | None, float | None]]:
        """The score of each target or label, of the best trial and of clean training, if there are several."""
        best = {} if self.best is None else self.best.user_attrs.get("metrics", {})
        clean = metrics_of(self.baseline)
        names = [name for name in {**clean, **best} if part_of(name)]
        return {part_of(name): (best.get(name), clean.get(name)) for name in names}

    @property
    def part_metric(self) -> str:
        """The metric of these scores: rmse of targets, f1 of labels."""
        return next((name.partition(" ")[0] for name in self.baseline[-1].metrics if part_of(name)), "rmse")

    def foreign(self, trial: FrozenTrial) -> bool:
        """Whether a trial is outside the declared space, or its value was not measured by this search."""
        return bool(why_foreign(trial, self.space))

    def count(self, state: TrialState) -> int:
        """Finished trials in that state."""
        return sum(trial.state is state for trial in self.trials)

    @property
    def failures(self) -> list[tuple[int, str]]:
        """Number and reason of failed trials."""
        failed = [trial for trial in self.trials if trial.state is TrialState.FAIL]
        return [(trial.number, str(trial.user_attrs.get("failure", "unknown"))) for trial in failed]


def settings_of(trial: FrozenTrial, about: dict[str, Any]) -> dict[str, Any]:
    """Fixed and searched settings of a trial; a start has six decimals, and is whole if they are 0."""
    settings = dict(about["fixed"]) | trial.params
    start = settings.get("start_epoch")
    return settings | (
        {"start_epoch": without_fraction(round(start, DECIMALS))}
        if isinstance(start, float) and math.isfinite(start)
        else {}
    )


def parted(trial: FrozenTrial, about: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the method, fixed and searched, and searched values of the recipe."""
    settings = settings_of(trial, about)
    return settings, {name: settings.pop(name) for name in list(settings) if name in about["recipe"]}


def runs_again(trial: FrozenTrial, about: dict[str, Any]) -> bool:
    """Whether a complete trial may be the best: the search measured it, and its settings can be trained again."""
    if trial.state is not TrialState.COMPLETE or not is_number(trial.value) or not measured(trial):
        return False
    if not about["space"].keys() <= trial.params.keys():
        return False
    settings, tuned = parted(trial, about)
    try:
        METHODS[about["method"]](**settings)
        if "loop" not in about["data"]:
            checked(Recipe, about["recipe"] | tuned)
    except (SettingError, UserError, TypeError):
        return False
    return True


def summarise(study: optuna.Study) -> Summary:
    """Read a study.

    Args:
        study: A study that a search made.

    Raises:
        UserError: This program did not make the study, or was stopped before its baseline was known.
    """
    about, known = identity_of(study), study.user_attrs
    if about is None:
        raise UserError(f"study {study.study_name!r} was not made by this program")
    if known.get(BASELINE) is None:
        raise UserError(f"study {study.study_name!r} has no baseline yet: run the search first")
    stored = sorted((t for t in study.get_trials() if t.state.is_finished()), key=lambda trial: trial.number)
    for trial in stored:
        trial.user_attrs = readable(trial.user_attrs)
    trials = [read_by(trial, about) for trial in stored]
    declared = {name: json_to_distribution(json.dumps(value)) for name, value in about["space"].items()}
    space = narrowed(declared, known.get(CALIBRATED))
    complete = [trial for trial in trials if runs_again(trial, about)]
    maximize = about["direction"] == "maximize"
    best = min(complete, key=lambda t: (-t.value if maximize else t.value, t.number), default=None)  # type: ignore[operator]
    own = [trial for trial in trials if not why_foreign(trial, space)]
    found = Summary(
        study=study,
        about=about,
        space=space,
        trials=trials,
        best=best,
        baseline=[read(epoch) for epoch in known[BASELINE]],
        idle=idle_settings(own, about["fixed"], about["method"]),
        notes=notes(trials, space, best),
    )
    return found if about.get(SECOND) is None else with_front(found, stored, complete)


def with_front(found: Summary, stored: list[FrozenTrial], complete: list[FrozenTrial]) -> Summary:
    """The summary with the second metric and the front, of which the best trial is one.

    Args:
        found: The summary by the first metric alone.
        stored: The trials with both values.
        complete: Those that may be the best.
    """
    constant = found.study.user_attrs.get(CONSTANT, {}).get(found.about[SECOND])
    second = second_of(stored, found.about, found.baseline, constant)
    assert second is not None
    pairs = {
        trial.number: (round(trial.value, found.places), round(second.values[trial.number], second.places))
        for trial in complete
        if trial.value is not None and trial.number in second.values
    }
    by_number, ways = {trial.number: trial for trial in complete}, (found.maximize, second.maximize)
    learned = {number: pair for number, pair in pairs.items() if not found.guesses(pair[0])} or pairs
    front = tuple(by_number[number] for number in undominated(learned, ways))
    out = [number for number in undominated(pairs, ways) if number not in learned]
    best = front[0] if front else found.best
    lines = notes(found.trials, found.space, best)
    return replace(found, second=replace(second, guessing=tuple(sorted(out))), front=front, best=best, notes=lines)
