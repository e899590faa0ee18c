"""Samplers and the pruner beside trials that are outside the space, or have no finite value."""

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from studies.running import sampling
from studies.running.pruning import ForecastPruner
from studies.running.sampling import PhasedSampler

SPACE = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "K": IntDistribution(2, 5),
    "combine": CategoricalDistribution(("mean", "sum")),
}
START = {"epsilon": 1.0, "K": 3, "combine": "mean"}


@pytest.mark.parametrize("name", ["tpe", "gp", "random", "sobol"])
def test_models_see_what_is_inside_the_space(name, monkeypatch):
    # Running trials without all settings are waited for, as if they were being drawn.
    monkeypatch.setattr(sampling, "DRAWING", 0.05)

    def last(strangers, running=()):
        study = optuna.create_study(direction="maximize", sampler=PhasedSampler(SPACE, [START], 6, 0, name))
        for number in range(7):
            params = {"epsilon": 0.1 + number / 2, "K": 2 + number % 4, "combine": "mean"}
            study.add_trial(create_trial(params=params, distributions=SPACE, value=number / 10))
        for params, distributions, result in strangers:
            study.add_trial(create_trial(params=params, distributions=distributions, value=result))
        for params, distributions in running:
            study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=distributions))
        study.add_trial(create_trial(state=TrialState.RUNNING))
        trial = study.get_trials()[-1]
        trial.number = 20
        return study.sampler.sample_relative(study, trial, SPACE)

    wide = {"epsilon": FloatDistribution(0, 1e6), "K": IntDistribution(0, 99), "combine": CategoricalDistribution(("max",))}
    strangers = [
        ({"epsilon": 1e5, "K": 3, "combine": "max"}, wide, 5.0),
        ({"epsilon": 0.0}, {"epsilon": wide["epsilon"]}, 6.0),
        ({}, {}, 7.0),
        (START, SPACE, math.inf),
    ]
    assert last(strangers) == last([])
    assert last([], [({"combine": "max", "K": 3, "epsilon": 1e5}, wide), ({"rho": 1}, {"rho": wide["K"]})]) == last([])
    inside = [({"epsilon": 2.0, "K": 3, "combine": "sum"}, wide | {"combine": SPACE["combine"]}, 9.0)]
    assert (last(inside) != last([])) == (name in ("tpe", "gp"))


def test_pruning_is_not_disturbed_by_what_was_added():
    study = optuna.create_study(direction="maximize", pruner=ForecastPruner(0))
    for number in range(9):
        study.add_trial(create_trial(value=number / 10, intermediate_values={0: number / 10}))
    for result, report in ((math.inf, 0.1), (0.5, math.nan), (0.5, math.inf)):
        study.add_trial(create_trial(value=result, intermediate_values={0: report}))
    starts = {"start_epoch": CategoricalDistribution(("late",))}
    study.add_trial(create_trial(params={"start_epoch": "late"}, distributions=starts, value=0.4))
    trial = study.ask()
    trial.report(0.85, 0)
    assert not trial.should_prune()
    low = study.ask()
    low.report(0.0, 0)
    assert low.should_prune()
