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
# What a forecast is made from at a step (nothing if the trial is no example there), and the value in the end.
Row = tuple[list[float], float | None]


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
        self._rows: dict[int, dict[int, tuple[FrozenTrial, Row]]] = {}

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or trial.number < self.explore or self._attacked(trial, step) < 1:
            return False
        sign = 1.0 if study.direction is StudyDirection.MAXIMIZE else -1.0
        mine = self._features(trial, step)
        ended = [self._row(t, step) for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
        pool = [(seen, value) for seen, value in ended if value is not None and len(seen) == len(mine)]
        if len(pool) < AT_LEAST:
            return False
        seen = np.array([features for features, _ in pool])
        ends = sign * np.array([value for _, value in pool])
        line = np.linalg.lstsq(seen, ends)[0]
        spread = np.sqrt(np.square(ends - seen @ line).sum() / (len(pool) - len(line)))
        forecast = np.array(mine) @ line
        return bool(forecast + spread < np.median([sign * value for _, value in ended if value is not None]))

    def _row(self, trial: FrozenTrial, step: int) -> Row:
        """What a complete trial tells about a step: looked up once, as there may be thousands."""
        kept = self._rows.setdefault(step, {})
        found = kept.get(trial._trial_id)
        if found is None or found[0] is not trial:
            value = trial.value if is_number(trial.value) else None
            there = is_number(trial.intermediate_values.get(step)) and self._attacked(trial, step) >= 1
            kept[trial._trial_id] = found = trial, (self._features(trial, step) if there else [], value)
        return found[1]

    def _attacked(self, trial: FrozenTrial, step: int) -> float:
        """Attacked epochs at an evaluation; 1 after any run, if there are several."""
        if self.runs > 1:
            return 1.0
        start = trial.params.get("start_epoch", self.start_epoch)
        begun = float(start) if is_number(start) else float(self.start_epoch)
        return without_fraction(gone(step, self.per) - begun)

    def _features(self, trial: FrozenTrial, step: int) -> list[float]:
        if self.runs > 1:
            return [1.0, trial.intermediate_values[step]]
        # An attacked epoch less, so that whole epochs are whole numbers from 0.
        return [1.0, trial.intermediate_values[step], self._attacked(trial, step) - 1, *self._gone(trial, step)]

    def _gone(self, trial: FrozenTrial, step: int) -> list[float]:
        """The share of the run that is gone, where epochs are searched: there the same epoch is early or the last."""
        epochs = trial.params.get("epochs") if self.runs == 1 else None
        return [gone(step, self.per) / float(epochs)] if epochs is not None and is_number(epochs) else []


def make_pruner(name: str, explore: int, start_epoch: float = 0, per: int = 1, runs: int = 1) -> BasePruner:
    """The pruner of that name, one of PRUNERS."""
    return NopPruner() if name == "none" else ForecastPruner(explore, start_epoch, per, runs)
