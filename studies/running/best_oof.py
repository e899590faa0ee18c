"""Out-of-fold predictions of the best trials, in files beside their configuration."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from finetune.tasks.means import mean_of
from finetune.training.oof import Oof
from finetune.training.series import Ended, Series
from studies.running.foreign import is_number
from studies.running.predictions import write_table
from studies.running.standing import BEST_OOF


def oof_file(folder: Path, number: int) -> Path:
    """The file of a trial, in the folder of its study."""
    return folder / f"oof-{number}.safetensors"


def oof_of(series: Series, ended: Sequence[Ended], value: float) -> Oof:
    """The predictions of all runs, in the order of the pool."""
    fold_of = series.task.fold_of
    known = np.zeros(len(series.task.validation), np.int64) if fold_of is None else fold_of
    return Oof(series.raw(ended), known, value, series.metric, series.task.fingerprint)


def keep_best(series: Series, ended: Sequence[Ended], trial: Trial, value: float, folder: Path) -> None:
    """Keep the predictions of a complete trial if it is one of the best, and delete those of trials that no longer are.

    Raises:
        OSError: The file cannot be written.
    """
    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if trial.study.directions[0] is StudyDirection.MAXIMIZE else 1
    values = {other.number: sign * other.values[0] for other in complete if is_number(other.values[0])}
    values[trial.number] = sign * value
    order = sorted(values, key=lambda number: (values[number], number))
    if trial.number in order[:BEST_OOF]:
        oof_of(series, ended, value).save(oof_file(folder, trial.number))
    # Files of trials that another process is about to end are not known to be worse.
    for number in order[BEST_OOF:]:
        oof_file(folder, number).unlink(missing_ok=True)


def write_pooled(series: Series, ended: Sequence[Ended], path: Path) -> None:
    """Write what is predicted for all rows; with several seeds, the mean of what their models say.

    Raises:
        OSError: The file cannot be written.
    """
    mean = mean_of(series.kind, list(series.raw(ended)))
    write_table(series.kind, series.task, series.output(mean, series.task.validation.labels), path)
