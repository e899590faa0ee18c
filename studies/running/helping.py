"""Processes that share the runs of one trial: who finds no trial to begin trains a run of a running trial."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from finetune.training.epoch import Epoch
from finetune.training.loop import Training
from finetune.training.series import Part
from studies.running.in_turn import Given, InTurn
from studies.running.objective import Failed, failing, kind_of

if TYPE_CHECKING:
    from studies.running.folded import Folded


def help_with(objective: "Folded", study: optuna.Study, say: Callable[[str], None]) -> bool:
    """Train one run that no process has claimed.

    The value of a run does not depend on who trains it. A run that fails here is left to the trial's own process, which will
    see why.

    Args:
        objective: What trains trials of the study.
        study: The study.
        say: Called with a line about the run.

    Returns:
        Whether there was such a run.
    """
    space = objective.plan.space
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not space.keys() <= trial.params.keys():
            continue  # its settings are just being stored

        def needed(part: Part, training: Training, epoch: Epoch, trial: FrozenTrial = trial) -> None:
            if over(study, trial):
                raise Given

        params = {name: kind_of(space[name])(trial.params[name]) for name in space}
        try:
            runs = objective.runs_of(params, trial.number, needed)
        except Failed:
            continue
        if any(helped(objective, runs, study, trial, part, say) for part in runs.series.parts):
            return True
    return False


def helped(
    objective: "Folded", runs: InTurn, study: optuna.Study, trial: FrozenTrial, part: Part, say: Callable[[str], None]
) -> bool:
    """Train a run if no process has claimed it and it has not ended; returns whether this process did."""
    this = (trial.number, part.number)
    if this in objective.given_up or runs.files.ended(part.number).exists():
        return False
    try:
        with failing():
            mine = runs.take(part)
    except Given:
        mine = True
    except Failed:
        objective.given_up.add(this)
        return True
    if over(study, trial):
        objective.clean_up(trial)
    elif mine:
        say(f"trial {trial.number} of another process: trained its run {part.number + 1} of {len(runs.series.parts)}")
    return mine


def over(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Whether a trial has ended."""
    return bool(study._storage.get_trial(trial._trial_id).state.is_finished())
