"""The configuration to go on with: the winner of a confirmation, else the best of a search, or another trial."""

from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from finetune.arguments import arg
from finetune.errors import UserError
from studies.results.further import CLEAN_ARM, WINNER_ARM
from studies.results.summary import Summary, parted, runs_again
from studies.running.stages import VERDICT, find_stage


@dataclass(frozen=True)
class Choice:
    """A configuration, and one run that measured it.

    Args:
        settings: Settings of the method.
        tuned: Values in which its recipe differs from the study's.
        value: The value of that run.
        clean: The value of clean training on the same seed.
        seed: The seed, if it is not the search's.
        number: The trial's number; None for a run of the confirmation.
        made: Attributes of the run: versions and device, where they differ from the study's.
    """

    settings: dict[str, Any]
    tuned: dict[str, Any]
    value: float
    clean: float
    seed: int | None
    number: int | None
    made: dict[str, Any]


def chosen(summary: Summary) -> FrozenTrial | None:
    """The trial to go on with: the winner of the confirmation, else the best of the search; None if none is complete."""
    confirmed = summary.confirmed
    number = None if confirmed is None else confirmed.winner.trial
    return next((trial for trial in summary.trials if trial.number == number), summary.best)


def choice_of(summary: Summary, number: int | None = None) -> Choice | None:
    """The configuration to go on with; None if no trial is complete.

    Args:
        summary: The search.
        number: Another trial.

    Raises:
        UserError: That trial cannot be exported.
    """
    alone = winner_alone(summary) if number is None else None
    if alone is not None:
        return alone
    best = chosen(summary) if number is None else numbered(summary, number)
    if best is None or best.value is None:
        return None
    settings, tuned = parted(best, summary.about)
    return Choice(settings, tuned, best.value, summary.clean, None, best.number, best.user_attrs)


def winner_alone(summary: Summary) -> Choice | None:
    """A winner that is no trial of the search: its first run in the verdict, beside clean training on the same seed.

    These are the method's defaults, where the search did not try them. None for any other winner.
    """
    confirmed = summary.confirmed
    if confirmed is None or confirmed.winner.trial is not None:
        return None
    stage = find_stage(summary.study, VERDICT)
    if stage is None:
        return None
    winner, runs = confirmed.winner, stage.runs()
    for index in range(confirmed.seeds):
        seed = stage.seed(index)
        ours, clean = runs[WINNER_ARM, seed], runs[CLEAN_ARM, seed]
        if ours.state is clean.state is TrialState.COMPLETE and ours.value is not None and clean.value is not None:
            return Choice(winner.settings, winner.recipe, ours.value, clean.value, seed, None, ours.user_attrs)
    return None


def numbered(summary: Summary, number: int) -> FrozenTrial:
    """The trial of that number.

    Raises:
        UserError: There is none, or it cannot be trained again.
    """
    study, where = summary.study.study_name, arg("trial", number)
    trial = next((trial for trial in summary.trials if trial.number == number), None)
    if trial is None:
        numbers = [each.number for each in summary.trials]
        range_ = f"finished are {min(numbers)} to {max(numbers)}" if numbers else "none is finished"
        raise UserError(f"{where}: study {study!r} has no finished trial {number}; {range_}")
    if not runs_again(trial, summary.about):
        known = {TrialState.FAIL: "it failed", TrialState.PRUNED: "it was pruned"}
        why = known.get(trial.state, "the search did not measure it, or its settings cannot be trained again")
        raise UserError(f"{where}: trial {number} of study {study!r} has no value to export: {why}")
    return trial
