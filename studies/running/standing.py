"""How the trials of a study stand: which are its best so far, and what is kept of them."""

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from studies.planning.identity import known_identity
from studies.running.foreign import is_number, measured

# Out-of-fold predictions of this many trials are kept (an ensemble of more gains hardly anything), and models of so many.
BEST_OOF, TOP = 10, 3
# Decimals at which values count as equal.
PLACES = 4


def eligible(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials that a search measured, with all searched settings: one of them is the best."""
    searched = set((known_identity(study) or {}).get("space", {}))
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in done if is_number(trial.values[0]) and measured(trial) and searched <= trial.params.keys()]


def standing(study: optuna.Study) -> list[int]:
    """Numbers of the complete trials, the best in the first metric first; of equal ones the earlier."""
    sign = sign_of(study)
    return [trial.number for trial in sorted(eligible(study), key=lambda trial: (-sign * trial.values[0], trial.number))]


def better(study: optuna.Study, value: float, but: int) -> int:
    """How many complete trials are better than a value at the printed digits, one trial left out."""
    sign = sign_of(study)
    known = [round(sign * trial.values[0], PLACES) for trial in eligible(study) if trial.number != but]
    return sum(one > round(sign * value, PLACES) for one in known) if is_number(value) else len(known) + TOP


def sign_of(study: optuna.Study) -> int:
    """1 if a higher value of the first metric is better, else -1."""
    return 1 if study.directions[0] is StudyDirection.MAXIMIZE else -1
