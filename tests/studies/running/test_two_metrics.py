"""Trials of two metrics, read by the first; samplers and trials that the search did not make."""

import math
from dataclasses import replace

import optuna
import pytest
from helpers.two_metrics import two_study
from optuna.trial import TrialState

from finetune.training.epoch import Epoch
from spaces import space_of
from studies.planning.identity import KEY
from studies.running.claims import Claims
from studies.running.foreign import comparable
from studies.running.loop import Options, prepare, run_trial, run_trials
from studies.running.storage import open_storage
from studies.running.two_metrics import reached, read_by

SPACE = space_of("awp", 4)


def test_seconds_are_those_of_all_epochs_and_a_metric_is_that_of_the_last():
    history = [Epoch(n, {"accuracy": 0.7 + n / 10}, {}, None, 1.25) for n in range(3)]
    assert reached(history, "seconds") == 3.75
    assert reached(history, "accuracy") == pytest.approx(0.9)
    chosen = replace(history[-1], scored={"accuracy": 0.95}, chosen=(0,))  # the evaluations that the first metric chose
    assert reached([*history[:-1], chosen], "accuracy") == 0.95


def test_the_stored_trial_stays_as_it_is():
    study = two_study([(0.82, 9.0)])
    [trial] = study.trials
    seen = read_by(trial, study.user_attrs[KEY])
    assert (seen.value, seen.last_step) == (0.82, 3)
    assert trial.values == [0.82, 9.0]
    assert trial.intermediate_values == {}
    assert (seen.params, seen.user_attrs, seen._trial_id) == (trial.params, trial.user_attrs, trial._trial_id)


def test_a_trial_without_epochs_or_with_odd_ones_has_no_curve():
    study = two_study([(0.82, 9.0), (0.8, 8.0), (0.7, 7.0)])
    about, (bare, odd, holes) = study.user_attrs[KEY], study.trials
    bare.user_attrs = {}
    odd.user_attrs = {"metrics by epoch": "none"}
    holes.user_attrs = {"metrics by epoch": [{}, {"mcc": 0.1}, {"accuracy": 0.7}]}
    assert [read_by(trial, about).intermediate_values for trial in (bare, odd, holes)] == [{}, {}, {2: 0.7}]


def test_with_one_metric_nothing_is_copied():
    study = two_study([(0.82, 9.0)])
    assert read_by(study.trials[0], {"metric": "accuracy"}) is not None
    one = optuna.create_study()
    one.add_trial(optuna.trial.create_trial(value=1.0))
    assert read_by(one.trials[0], {"metric": "accuracy"}).value == 1.0


def test_models_do_not_see_values_that_are_no_numbers():
    study = two_study([(0.82, 9.0), (0.9, math.inf), (-math.inf, 1.0), (0.8, 8.0)])
    assert [trial.values for trial in comparable(study, SPACE).trials] == [[0.82, 9.0], [0.8, 8.0]]


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_every_sampler_knows_two_metrics(sampler, tmp_path):
    def drawn(folder, cut):
        """The settings of seven trials, with a stop after some of them."""
        storage = open_storage(f"sqlite:///{folder}")
        for total in (cut, 7):
            study = optuna.create_study(
                study_name="s", storage=storage, directions=["maximize", "minimize"], load_if_exists=True
            )
            options = Options(total, 5, sampler=sampler, pruner="none")
            prepare(study, options, SPACE, [], 0)
            run_trials(study, storage, lambda trial: two_values(trial), options, say=lambda line: None)
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 7
        return [trial.params for trial in study.trials]

    whole = drawn(tmp_path / "a.db", 7)
    assert drawn(tmp_path / "b.db", 6) == whole
    assert all(params.keys() == SPACE.keys() for params in whole)


def two_values(trial):
    """What an objective with two metrics returns."""
    values = [trial.suggest_float(name, d.low, d.high, log=d.log) for name, d in SPACE.items() if name != "start_epoch"]
    start = trial.suggest_int("start_epoch", SPACE["start_epoch"].low, SPACE["start_epoch"].high)
    return (0.8 - values[0], 9.0 - start)


@pytest.mark.parametrize("values", [(math.nan, 1.0), (0.8, math.nan), (0.8, math.inf)])
def test_a_trial_whose_value_is_no_number_failed(values, tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/s.db")
    study = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    claims = Claims(study, storage)
    with claims.held():
        run_trial(claims.take(1), lambda trial: values, claims)
    [trial] = study.trials
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["failure"].startswith("the metric is ")
