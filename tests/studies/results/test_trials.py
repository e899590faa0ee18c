"""Trials as rows: the data frame and trials.csv."""

import math

import pandas as pd
import pytest
from helpers.made_up_studies import REASON, made, summary
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from studies.results.summary import summarise
from studies.results.trials import distinct, epochs_frame, to_csv, to_frame

SPACE = {
    "rate": FloatDistribution(0.0, 1.0),
    "way": CategoricalDistribution(["1", "2"]),
    "flag": CategoricalDistribution([True]),
}


def study_of(*trials, metric="accuracy", fixed=None):
    """A study with trials that are written out: state, value, settings, user attributes."""
    study = made("", SPACE, metric=metric, fixed=fixed)
    for state, value, params, attrs in trials:
        study.add_trial(
            create_trial(
                state=state, value=value, params=params, distributions=SPACE, user_attrs=attrs, intermediate_values={}
            )
        )
    return summarise(study)


GOOD = (
    TrialState.COMPLETE,
    0.1 + 0.2,
    {"rate": 0.5, "way": "1", "flag": True},
    {"seconds": 3, "metrics": {"accuracy": 0.1 + 0.2, "other": math.nan}, "diagnostics": {"gap": 1e-17}},
)
FAILED = (TrialState.FAIL, None, {"rate": 1e-05, "way": "2", "flag": True}, {"failure": 'said "no",\nthen died'})


def test_the_file_is_what_it_always_was():
    text = to_csv(study_of(GOOD, FAILED, fixed={"emb_name": None, "K": 3}))
    assert text == (
        "number,state,phase,value,emb_name,K,flag,rate,way,seconds,accuracy,other,gap,failure\n"
        "0,complete,explore,0.30000000000000004,,3,True,0.5,1,3,0.30000000000000004,nan,1e-17,\n"
        '1,fail,explore,,,3,True,1e-05,2,,,,,"said ""no"",\nthen died"\n'
    )


def test_the_frame_keeps_what_text_would_lose():
    frame = to_frame(study_of(GOOD, FAILED, fixed={"emb_name": None, "K": 3}))
    assert frame["way"].tolist() == ["1", "2"]
    assert frame["flag"].dtype == bool
    assert frame["K"].tolist() == [3, 3]
    assert pd.api.types.is_integer_dtype(frame["number"])
    assert frame["value"][0] == 0.1 + 0.2
    assert math.isnan(frame["value"][1])
    assert math.isnan(frame["other"][0])
    assert frame["emb_name"].isna().all()
    assert frame["failure"].isna().tolist() == [True, False]
    assert frame["failure"][1] == 'said "no",\nthen died'


def test_a_metric_may_have_the_name_of_a_column():
    attrs = {"seconds": 1.5, "metrics": {"value": 0.25, "seconds": 9.0}}
    found = study_of((TrialState.COMPLETE, 0.25, GOOD[2], attrs), metric="value")
    assert to_csv(found).splitlines()[0] == "number,state,phase,value,flag,rate,way,seconds,value,seconds,failure"
    frame = to_frame(found)
    assert list(frame)[4:] == ["flag", "rate", "way", "seconds", "value.1", "seconds.1", "failure"]
    assert frame["seconds"].tolist() == [1.5]
    assert frame["seconds.1"].tolist() == [9.0]


def test_a_study_without_trials_has_columns():
    frame = to_frame(summary("", {"n": IntDistribution(1, 3)}))
    assert list(frame) == ["number", "state", "phase", "value", "n", "seconds", "failure"]
    assert len(frame) == 0


@pytest.mark.parametrize("states", ["F", "P", "CPF", "FFF"])
def test_there_is_a_row_for_each_state(states):
    frame = to_frame(summary(states))
    named = {"C": "complete", "P": "pruned", "F": "fail"}
    assert frame["state"].tolist() == [named[letter] for letter in states]
    assert frame["value"].notna().tolist() == [letter != "F" for letter in states]
    assert [reason for reason in frame["failure"] if reason == REASON] == [REASON] * states.count("F")


def test_names_are_told_apart():
    assert distinct(["a", "a", "a.1", "a"]) == ["a", "a.1", "a.1.1", "a.2"]


def test_a_row_for_each_epoch_has_all_metrics_after_it():
    known = [{"accuracy": 0.25, "other": 9.0}, {}, {"accuracy": 0.75, "more": math.inf}]
    first = (TrialState.PRUNED, 0.75, GOOD[2], {"metrics": known[-1], "metrics by epoch": known})
    older = (TrialState.COMPLETE, 0.5, GOOD[2], {"metrics": {"accuracy": 0.5}})
    strange = (TrialState.COMPLETE, 0.5, GOOD[2], {"metrics": {"accuracy": 0.5}, "metrics by epoch": "good"})
    own = (TrialState.COMPLETE, 0.5, GOOD[2], {"metrics": {"epoch": 0.5}, "metrics by epoch": [{"epoch": 0.5}]})
    frame = epochs_frame(study_of(first, FAILED, older, strange, own))
    assert list(frame) == ["number", "epoch", "accuracy", "other", "more", "epoch.1"]
    assert frame[["number", "epoch"]].to_numpy().tolist() == [[0, 0], [0, 2], [4, 0]]
    assert frame["accuracy"].tolist()[:2] == [0.25, 0.75]
    assert frame["more"].tolist()[1] == math.inf
    assert frame["epoch.1"].tolist()[2] == 0.5
    assert frame.notna().sum().tolist() == [3, 3, 2, 1, 1, 1]


@pytest.mark.parametrize("states", ["", "F"])
def test_without_epochs_there_are_no_rows(states):
    assert list(epochs_frame(summary(states))) == ["number", "epoch"]
