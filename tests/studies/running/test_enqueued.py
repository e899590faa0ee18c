"""How a search goes on with trials that other programs enqueued or added."""

import math
import shutil
import warnings
from dataclasses import replace

import optuna
import pytest
from helpers.worker_processes import close_all, found, opened
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from finetune.arguments import as_options
from studies.running.loop import Options, prepare, run_trials
from studies.running.objective import Failed, suggest
from studies.running.storage import close_storage, open_storage

SPACE = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "K": IntDistribution(2, 5),
    "combine": CategoricalDistribution(("mean", "sum")),
}
START = {"epsilon": 1.0, "K": 3, "combine": "mean"}


def study_of(folder, total, **options):
    storage = open_storage(f"sqlite:///{folder / 's.db'}")
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize", load_if_exists=True)
    made = Options(total, options.pop("explore", 4), **options)
    prepare(study, made, SPACE, [START], 0)
    return study, storage, made


def value(trial):
    settings = suggest(trial, SPACE)
    assert [type(settings[name]) for name in ("epsilon", "K", "combine")] == [float, int, str]
    trial.set_user_attr("metrics", {"accuracy": 0.5})
    trial.report(1 / (1 + abs(settings["epsilon"] - 0.5)), 0)
    return 1 / (1 + abs(settings["epsilon"] - 0.5))


def run(folder, total, **options):
    study, storage, made = study_of(folder, total, **options)
    return study, run_on(study, storage, made)


def run_on(study, storage, made):
    lines = []
    run_trials(study, storage, value, made, say=lines.append)
    return lines


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A database with a study of two trials."""
    folder = tmp_path_factory.mktemp("begun")
    study, storage, made = study_of(folder, 2)
    run_trials(study, storage, value, made, say=str)
    close_storage(storage)
    return folder / "s.db"


ENQUEUED = {
    "beyond the range": (
        {"epsilon": 50.0},
        "COMPLETE",
        {"epsilon": 50.0},
        ["epsilon 50 is outside the searched 0.05:5:log"],
    ),
    "below the range": ({"K": 1}, "COMPLETE", {"K": 1}, ["K 1 is outside the searched 2:5"]),
    "a part of the settings": ({"epsilon": 0.7}, "COMPLETE", {"epsilon": 0.7}, []),
    "nothing": ({}, "COMPLETE", {}, []),
    "a setting that is not searched": ({"eps": 0.9}, "COMPLETE", {}, ["eps 0.9 is not searched, and did nothing"]),
    "a setting too many": ({**START, "rho": 1}, "COMPLETE", START, ["rho 1 is not searched, and did nothing"]),
    "a whole number as a float": ({"K": 4.0}, "COMPLETE", {"K": 4}, []),
    "a float as a whole number": ({"epsilon": 2}, "COMPLETE", {"epsilon": 2.0}, []),
    "a half for a whole number": ({"K": 2.5}, "FAIL", {}, ["K 2.5", "2:5"]),
    "text for a number": ({"epsilon": "0.5"}, "FAIL", {}, ["epsilon '0.5'", "0.05:5:log"]),
    "another choice": ({"combine": "max"}, "FAIL", {}, ["combine 'max'", "mean, sum"]),
    "a number for a choice": ({"combine": 1}, "FAIL", {}, ["combine 1", "mean, sum"]),
    "not a number": ({"epsilon": math.nan}, "FAIL", {}, ["epsilon nan"]),
    "infinite": ({"epsilon": math.inf}, "FAIL", {}, ["epsilon inf"]),
    "none": ({"epsilon": None}, "FAIL", {}, ["epsilon None"]),
    "a list": ({"epsilon": [1, 2]}, "FAIL", {}, ["epsilon [1, 2]"]),
    "true for a number": ({"K": True}, "FAIL", {}, ["K True"]),
    "the same twice": (START, "COMPLETE", START, []),
}


@pytest.mark.parametrize("kind", ENQUEUED)
def test_an_enqueued_trial_is_run_where_it_can_be_and_named_where_it_is_strange(tmp_path, begun, kind):
    params, state, settings, words = ENQUEUED[kind]
    shutil.copy(begun, tmp_path)
    study, storage, made = study_of(tmp_path, 3)
    study.enqueue_trial(params)
    lines = run_on(study, storage, made)
    trial = study.trials[2]
    assert trial.state.name == state
    assert settings.items() <= trial.params.items()
    said = " ".join([*lines, str(trial.user_attrs.get("failure", ""))])
    assert [word for word in words if word not in said] == [], said
    assert lines == [] if not words else len(lines) == 1
    run_on(study, storage, replace(made, trials=4))
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 2 + [state, "COMPLETE"]
    close_storage(storage)


def test_enqueued_trials_count_and_take_no_points_of_the_design(tmp_path):
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    whole, _ = run(tmp_path / "without", 5, explore=8)
    study, _ = run(tmp_path / "with", 1, explore=8)
    study.enqueue_trial({"epsilon": 0.3})
    study.enqueue_trial({"K": 9})
    run(tmp_path / "with", 7, explore=8)
    own = [trial.params for trial in study.trials if trial.number not in (1, 2)]
    assert own == [trial.params for trial in whole.trials]


def test_trials_enqueued_late_are_run_and_what_is_beyond_the_total_is_said(tmp_path):
    study, _ = run(tmp_path, 8)
    study.enqueue_trial({"epsilon": 0.3})
    _, lines = run(tmp_path, 8)
    assert [as_options(line) for line in lines] == [
        "1 more trial will not run, because of --trials 8: give --trials 9 or more"
    ]
    run(tmp_path, 9)
    assert study.trials[8].params["epsilon"] == 0.3


def test_five_bad_trials_of_a_user_do_not_end_the_search(tmp_path):
    study, _ = run(tmp_path, 0)
    for _ in range(5):
        study.enqueue_trial({"K": "many"})
    run(tmp_path, 7)
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 5 + ["COMPLETE"] * 2
    assert study.trials[5].params == START


def test_failures_of_others_do_not_count_among_the_first_trials(tmp_path):
    study, storage, options = study_of(tmp_path, 6)
    for _ in range(4):
        study.add_trial(create_trial(state=TrialState.FAIL))

    def objective(trial):
        if trial.number == 4:
            raise Failed("no")
        return value(trial)

    run_trials(study, storage, objective, options)
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 5 + ["COMPLETE"]


OTHER = {
    "linear": {"epsilon": FloatDistribution(0.0, 100.0)},
    "wide": {"epsilon": FloatDistribution(0.001, 100.0, log=True)},
    "whole": {"epsilon": IntDistribution(0, 100)},
    "choices": {"epsilon": CategoricalDistribution((7.0, "high"))},
    "other choices": {"combine": CategoricalDistribution(("mean", "sum", "max"))},
}


WITHOUT_VALUE = (TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING)


@pytest.mark.parametrize(
    ("kind", "state"),
    [(kind, TrialState.COMPLETE) for kind in OTHER] + [(kind, WITHOUT_VALUE[n % 3]) for n, kind in enumerate(OTHER)],
)
def test_a_trial_that_was_added_first_with_other_distributions_stops_no_other(tmp_path, kind, state):
    study, *_ = study_of(tmp_path, 0)
    (name, other), *_ = OTHER[kind].items()
    first = "max" if name == "combine" else 7
    params = {name: other.choices[-1] if kind == "choices" else first}
    value = {"value": 0.9} if state is TrialState.COMPLETE else {}
    study.add_trial(create_trial(state=state, params=params, distributions={name: other}, **value))
    again, _ = run(tmp_path, 3)
    rest = [trial.state.name for trial in again.trials[1:]]
    assert rest == ["COMPLETE"] * 2
    assert {trial.state.is_finished() for trial in again.trials} == {True}


def test_optunas_own_warnings_are_not_switched_off_for_good(tmp_path):
    study, *_ = study_of(tmp_path, 0)
    study.enqueue_trial({"epsilon": 50.0})
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        suggest(study.ask(), SPACE)
        assert seen == []
        warnings.warn("Fixed parameter", stacklevel=1)
        assert len(seen) == 1


def test_a_setting_of_another_kind_is_refused_before_it_is_stored(tmp_path):
    study, _, _ = study_of(tmp_path, 0)
    study.enqueue_trial({"epsilon": math.inf})
    trial = study.ask()
    with pytest.raises(Failed, match=r"enqueued with epsilon inf, and searched is 0\.05:5:log"):
        suggest(trial, SPACE)
    assert trial.params == {}
    close_all()


def test_an_attribute_of_optunas_that_is_no_mapping_is_no_enqueued_trial(tmp_path):
    study, _, _ = opened(f"sqlite:///{tmp_path / 's.db'}", 1)
    study.add_trial(create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": [1]}))
    assert found(f"sqlite:///{tmp_path / 's.db'}")[0][1] == "WAITING"
    close_all()
