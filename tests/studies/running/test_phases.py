"""Where one phase of sampling ends and the next begins, and how whole numbers spread over logarithms."""

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from studies.running.sampling import PhasedSampler, at, design_point

SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}


@pytest.mark.parametrize(("u", "value"), [(0.0, 1), (0.2, 1), (0.25, 2), (0.5, 7), (0.75, 27), (0.9999, 100)])
def test_whole_numbers_over_logarithms_begin_half_below_the_first(u, value):
    # 0.5 * 201 ** u, to the nearest
    assert at(IntDistribution(1, 100, log=True), u) == value


def test_the_first_trial_after_the_exploration_comes_from_the_model():
    study = optuna.create_study(sampler=PhasedSampler(SPACE, [], 6, 0, "tpe"))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1), n_trials=7)
    drawn = [trial.params for trial in study.trials]
    design = [design_point(SPACE, 0, index) for index in range(7)]
    assert drawn[:6] == design[:6]
    assert drawn[6] != design[6]


@pytest.mark.parametrize(("u", "value"), [(0.0, 1.0), (0.3, 1.5), (0.5, 2.0), (0.99, 3.0)])
def test_fractions_with_a_step_begin_at_the_low_end(u, value):
    assert at(FloatDistribution(1, 3, step=0.5), u) == value
