"""When a trial may be stopped: never in the exploration phase, never before its own attack has had an epoch to act.

A median over values at the same epoch compares an attacked trial with trials that still train clean: on the built-in task
it stops every early starter, even the best, and no late starter (``benchmarks/pruning_rates.py``). So a value is judged by
the final values of finished trials that had the same value after as many attacked epochs.
"""

import numpy as np
import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from adv.core.settings import without_fraction
from finetune.training.epoch import gone
from studies.running.foreign import is_number

PRUNERS = ("median", "none")
# Three coefficients and a spread need at least this many finished trials.
AT_LEAST = 8


class ForecastPruner(BasePruner):
    """Stops a trial whose forecast, one standard deviation up, ends below the median of the finished trials.

    The forecast is a least-squares fit of the last value to value and attacked epochs at this epoch (where epochs are
    searched, also to the share of the run that is gone), over finished trials that were attacked by then; the standard
    deviation is that of its residuals.

    Args:
        explore: Trials before this number are never stopped: they are the sample that importances are read from.
        start_epoch: Where the method starts if that is not searched.
        per: Evaluations in an epoch; a trial's steps are its evaluations.
        runs: Runs of a trial. With several, its steps are its runs and its values those of all its runs so far, so that
            trials are compared on the same folds and seeds; each run has its whole attack.
    """

    def __init__(self, explore: int, start_epoch: float = 0, per: int = 1, runs: int = 1) -> None:
        self.explore, self.start_epoch, self.per, self.runs = explore, start_epoch, per, runs

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or trial.number < self.explore or self._attacked(trial, step) < 1:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        done = [t for t in complete if is_number(t.value)]
        pool = [t for t in done if is_number(t.intermediate_values.get(step)) and self._attacked(t, step) >= 1]
        pool = [t for t in pool if len(self._gone(t, step)) == len(self._gone(trial, step))]
        if len(pool) < AT_LEAST:
            return False
        sign = 1.0 if study.direction is StudyDirection.MAXIMIZE else -1.0
        seen = np.array([self._features(t, step) for t in pool])
        ends = sign * np.array([t.value for t in pool])
        line = np.linalg.lstsq(seen, ends)[0]
        spread = np.sqrt(np.square(ends - seen @ line).sum() / (len(pool) - len(line)))
        forecast = self._features(trial, step) @ line
        return bool(forecast + spread < np.median([sign * t.value for t in done if t.value is not None]))

    def _attacked(self, trial: FrozenTrial, step: int) -> float:
        """Attacked epochs at an evaluation; 1 after any run, if there are several."""
        if self.runs > 1:
            return 1.0
        start = trial.params.get("start_epoch", self.start_epoch)
        begun = float(start) if is_number(start) else float(self.start_epoch)
        return without_fraction(gone(step, self.per) - begun)

    def _features(self, trial: FrozenTrial, step: int) -> np.ndarray:
        if self.runs > 1:
            return np.array([1.0, trial.intermediate_values[step]])
        # An attacked epoch less, so that whole epochs are whole numbers from 0.
        return np.array([1.0, trial.intermediate_values[step], self._attacked(trial, step) - 1, *self._gone(trial, step)])

    def _gone(self, trial: FrozenTrial, step: int) -> list[float]:
        """The share of the run that is gone, where epochs are searched: there the same epoch is early or the last."""
        epochs = trial.params.get("epochs") if self.runs == 1 else None
        return [gone(step, self.per) / float(epochs)] if epochs is not None and is_number(epochs) else []


def make_pruner(name: str, explore: int, start_epoch: float = 0, per: int = 1, runs: int = 1) -> BasePruner:
    """The pruner of that name, one of PRUNERS."""
    return NopPruner() if name == "none" else ForecastPruner(explore, start_epoch, per, runs)
