"""Which settings matter, with an interval and a floor below which a share is noise.

Optuna's default plot after TPE and pruning rarely names the right setting: it uses only finished trials, at points that
TPE chose. Here the main figures come from the exploration phase (a space-filling, unpruned design), fANOVA runs with
bounded trees, pruned trials count with their last value, and the values are permuted to see how shares without any
relation look.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState, create_trial

from spaces import Space
from studies.running.foreign import explores

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

TREES, DEPTH = 32, 8
# Trees for the folds: half of the default gives the same answer in half the time.
FOLD_TREES = 16
FOLDS = 200
PERMUTATIONS = 100
INTERVAL = (2.5, 97.5)
FLOOR = 95.0
# fANOVA on fewer values is a lottery.
AT_LEAST = 8
PED_QUANTILE = 0.25


@dataclass(frozen=True)
class Importance:
    """One setting's share of the variance of the value.

    Args:
        name: The setting.
        share: fANOVA's main effect on the exploration phase, 0..1.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end.
        floor: The 95 % quantile, over permutations, of the largest share among unrelated settings.
        ped: PED-ANOVA on the same trials, normalised to 1.
        all_trials: fANOVA on all trials, pruned ones with their last value.
    """

    name: str
    share: float
    low: float
    high: float
    floor: float
    ped: float
    all_trials: float

    @property
    def evidence(self) -> bool:
        """Whether the share is above the noise floor."""
        return self.share > self.floor


def valued(trials: Sequence[FrozenTrial]) -> list[tuple[dict[str, Any], float]]:
    """Settings and values of finished and pruned trials; the value of a pruned trial is its last report."""
    found = []
    for trial in trials:
        value = trial.value if trial.state is TrialState.COMPLETE else None
        if trial.state is TrialState.PRUNED and trial.intermediate_values:
            value = trial.intermediate_values[max(trial.intermediate_values)]
        if value is not None and np.isfinite(value):
            found.append((trial.params, float(value)))
    return found


def importances(
    trials: Sequence[FrozenTrial], space: Space, explore: int, maximize: bool, folds: int | None = None
) -> list[Importance]:
    """Importances of all settings, the largest share first; empty if there are too few trials or settings.

    Args:
        trials: Trials of one study.
        space: Its declared space.
        explore: Trials before this number, except those taken over, are the exploration phase.
        maximize: Whether a larger value is better.
        folds: Bootstrap folds, by default 200; with 0 nothing is computed.
    """
    folds = FOLDS if folds is None else folds
    names = sorted(name for name, distribution in space.items() if not distribution.single())
    every = valued(trials)
    honest = valued([trial for trial in trials if explores(trial, explore)])
    if len(honest) < AT_LEAST:
        honest = every
    if not folds or len(names) < 2 or len(honest) < AT_LEAST or len({value for _, value in honest}) < 2:
        return []
    points, values = [params for params, _ in honest], np.array([value for _, value in honest])
    share = fanova(points, values, space, names, TREES)
    rng = np.random.default_rng(0)
    boots = [
        fanova([points[i] for i in pick], values[pick], space, names)
        for pick in rng.integers(len(values), size=(folds, len(values)))
        if len(set(values[pick])) > 1
    ]
    low, high = np.percentile(boots, INTERVAL, axis=0)
    nulls = [fanova(points, rng.permutation(values), space, names).max() for _ in range(PERMUTATIONS)]
    floor = float(np.percentile(nulls, FLOOR))
    ped = ped_anova(points, values, space, names, maximize)
    overall = fanova([p for p, _ in every], np.array([v for _, v in every]), space, names, TREES)
    rows = [
        Importance(name, float(share[i]), float(low[i]), float(high[i]), floor, float(ped[i]), float(overall[i]))
        for i, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: -row.share)


def fanova(
    points: Sequence[dict[str, Any]],
    values: NDArray[np.float64],
    space: Space,
    names: list[str],
    trees: int = FOLD_TREES,
) -> NDArray[np.float64]:
    """Main effects as shares of the variance, in the order of ``names``."""
    from optuna.importance import FanovaImportanceEvaluator  # takes a second to import; a refusal need not wait

    evaluator = FanovaImportanceEvaluator(n_trees=trees, max_depth=DEPTH, seed=0)
    return _evaluate(evaluator, points, values, space, names)


def ped_anova(
    points: Sequence[dict[str, Any]], values: NDArray[np.float64], space: Space, names: list[str], maximize: bool
) -> NDArray[np.float64]:
    """How much each setting separates the best quarter from the rest, normalised to 1. To the evaluator, lower is better."""
    from optuna.importance import PedAnovaImportanceEvaluator

    evaluator = PedAnovaImportanceEvaluator(target_quantile=PED_QUANTILE)
    found = _evaluate(evaluator, points, -values if maximize else values, space, names)
    shares: NDArray[np.float64] = found / max(found.sum(), np.finfo(float).tiny)
    return shares


def _evaluate(
    evaluator: "BaseImportanceEvaluator",
    points: Sequence[dict[str, Any]],
    values: NDArray[np.float64],
    space: Space,
    names: list[str],
) -> NDArray[np.float64]:
    study = optuna.create_study()
    varied = {name: space[name] for name in names}
    for point, value in zip(points, values, strict=True):
        params = {name: point[name] for name in names}
        study.add_trial(create_trial(params=params, distributions=varied, value=float(value)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # evaluators warn of few or equal values; the floor says so better
        found = evaluator.evaluate(study, params=names)
    return np.array([max(0.0, float(found.get(name, 0.0))) for name in names])
