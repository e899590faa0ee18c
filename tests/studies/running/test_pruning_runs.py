"""Trials of several runs are stopped by what others were worth over the same runs; and where folds are refused."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from finetune.errors import UserError
from studies import tune
from studies.results.compare import apart
from studies.running.pruning import make_pruner

# The first fold is far harder than the others.
FOLDS = np.array([-0.3, 0.1, 0.1, 0.1])


def worth(level):
    """What a setting of this quality is worth over its first runs."""
    return [float(value) for value in np.cumsum(level + FOLDS) / np.arange(1, 5)]


def stopped(level, number=20, many=12, flip=1.0):
    """The run after which a trial is stopped; None if never."""
    pruner = make_pruner("median", explore=10, runs=4)
    study = optuna.create_study(direction="maximize" if flip > 0 else "minimize", pruner=pruner)
    for place in range(many):
        values = [flip * value for value in worth(0.70 + 0.01 * (place % 6))]
        study.add_trial(create_trial(value=values[-1], intermediate_values=dict(enumerate(values))))
    while len(study.trials) < number:
        study.add_trial(create_trial(state=TrialState.FAIL))
    trial = study.ask()
    for step, value in enumerate(worth(level)[:3]):
        trial.report(flip * value, step)
        if trial.should_prune():
            return step
    return None


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_a_bad_trial_is_stopped_after_its_first_run_and_a_good_one_never_however_hard_the_first_fold_is(flip):
    assert stopped(0.5, flip=flip) == 0
    assert stopped(0.76, flip=flip) is None


def test_none_is_stopped_while_exploring_or_beside_few_others():
    assert stopped(0.5, number=5, many=5) is None
    assert stopped(0.5, many=7) is None
    assert stopped(0.5, many=8) == 0


def test_an_own_loop_trains_its_own_folds():
    with pytest.raises(UserError, match="folds=4 is for search: with your own loop, train each fold and seed there"):
        tune(lambda run: 0.5, "fgm", epochs=1, folds=4)


def test_values_over_folds_compare_with_values_over_the_same_folds_alone():
    plain = {"metric": "accuracy", "data": {"task": "reviews"}, "recipe": {"model": "tiny"}}
    seeds = plain | {"folds": {"folds": None, "fold_score": "pooled", "seeds": 2}}
    assert apart(plain, seeds) == ["folds.seeds is 2, not 1"]
    assert apart(seeds, seeds) == apart(plain, plain) == []
