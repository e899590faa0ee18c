"""When a trial may be stopped: never in the exploration phase, never before its own attack has had an epoch to act."""

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

PRUNERS = ("median", "halving", "none")
# Fewer values at an epoch make no median.
AT_LEAST = 5


class AttackAwarePruner(BasePruner):
    """Asks ``inner`` only where the question makes sense.

    Args:
        inner: Any Optuna pruner.
        explore: Trials before this number are never stopped: they are the sample that importances are read from.
        start_epoch: Where the method starts when the space does not say.
    """

    def __init__(self, inner: BasePruner, explore: int, start_epoch: int = 0) -> None:
        self.inner, self.explore, self.start_epoch = inner, explore, start_epoch

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or trial.number < self.explore:
            return False
        if step < int(trial.params.get("start_epoch", self.start_epoch)):
            return False
        return self.inner.prune(study, trial)


def make_pruner(name: str, explore: int, start_epoch: int = 0) -> BasePruner:
    """The pruner of that name, one of PRUNERS, behind the gate."""
    inner = {
        "median": MedianPruner(n_startup_trials=AT_LEAST, n_min_trials=AT_LEAST),
        "halving": SuccessiveHalvingPruner(),
        "none": NopPruner(),
    }[name]
    return AttackAwarePruner(inner, explore, start_epoch)
