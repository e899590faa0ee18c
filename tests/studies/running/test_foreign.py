"""Trials that other programs put into a study: enqueued, added, or half done."""

import csv
import io
import math

import pytest
from helpers.made_up_studies import made
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from finetune.errors import UserError
from spaces import space_of
from studies.report.figures import figures
from studies.report.files import write_report, write_trials
from studies.report.progress import Watch
from studies.report.screen import Screen
from studies.report.terminal import print_summary
from studies.results.export import as_yaml, best_of
from studies.results.summary import summarise

METRICS = {"metrics": {"accuracy": 0.99}, "seconds": 1.0}
INSIDE = {"adv_lr": 0.01, "adv_eps": 0.01, "adv_step": 1, "start_epoch": 0}


ADDED = {
    "a good value that nobody measured": {"params": INSIDE, "value": 0.999},
    "an infinite value": {"params": INSIDE, "value": math.inf, "user_attrs": METRICS},
    "a setting missing": {"params": {"adv_lr": 0.01}, "value": 0.999, "user_attrs": METRICS},
    "no settings": {"params": {}, "value": 0.5},
    "outside the space": {"params": INSIDE | {"adv_eps": 7.0}, "value": 0.5, "user_attrs": METRICS},
    "zero on a logarithmic axis": {"params": INSIDE | {"adv_eps": 0.0}, "value": 0.5, "user_attrs": METRICS},
    "text for a number": {"params": INSIDE | {"adv_eps": "low"}, "value": 0.5, "user_attrs": METRICS},
    "a setting that the method has not": {"params": INSIDE | {"rho": 1.0}, "value": 0.999, "user_attrs": METRICS},
    "pruned without a report": {"params": INSIDE, "state": TrialState.PRUNED},
    "pruned at a strange step": {"params": INSIDE, "state": TrialState.PRUNED, "intermediate_values": {10**6: math.nan}},
    "huge reports": {"params": INSIDE, "value": -1e300, "intermediate_values": {0: 1e300, 7: math.inf}},
    "failed without a reason": {"params": {}, "state": TrialState.FAIL},
    "attributes of other shapes": {
        "params": INSIDE,
        "value": 0.5,
        "user_attrs": {
            "metrics": "good",
            "seconds": "long",
            "diagnostics": [1],
            "diagnostics by epoch": 3,
            "metrics by epoch": [1],
            "failure": {},
        },
    },
    "metrics of other shapes": {"params": INSIDE, "value": 0.5, "user_attrs": {"metrics": {"accuracy": "good"}}},
}


def distribution_of(name, given):
    declared = space_of("awp", 4)
    if isinstance(given, str):
        return CategoricalDistribution((given, "x"))
    kind = type(declared.get(name, FloatDistribution(0, 1)))
    return kind(0, 100)


def with_added(*kinds, states="C" * 4 + "P"):
    study = made(states)
    for kind in kinds:
        options = {"state": TrialState.COMPLETE} | ADDED[kind]
        dists = {name: distribution_of(name, given) for name, given in options["params"].items()}
        study.add_trial(create_trial(distributions=dists, **options))
    return study


@pytest.fixture(scope="module")
def plain():
    return summarise(made("CCCCP"))


@pytest.mark.parametrize("kind", ADDED)
def test_whatever_was_added_a_study_is_reported_and_exported(tmp_path, plain, kind):
    summary = summarise(with_added(kind))
    assert summary.best.number == plain.best.number
    assert as_yaml(best_of(summary)) == as_yaml(best_of(plain))
    text = write_report(summary, tmp_path).read_text()
    row = list(csv.DictReader(write_trials(summary, tmp_path).read_text().splitlines()))[-1]
    assert row["number"] == "5"
    if kind == "failed without a reason":
        assert "Failed trials" in text
    else:
        assert row["phase"] == "foreign"
        assert row["note"] == summary.notes[5]
        assert "Trials that were added or changed from outside" in text


def test_importances_are_those_of_the_searched_space():
    plain, strange = (summarise(with_added(*kinds, states="C" * 9)) for kinds in ((), ADDED))
    assert plain.importances
    assert strange.importances == plain.importances
    assert strange.idle == plain.idle


def test_strangers_are_drawn_apart_and_out_of_the_figures_over_settings(plain):
    drawn, before = figures(summarise(with_added(*ADDED))), figures(plain)
    kinds = {trace.name: set(trace.customdata) for trace in drawn["history"].data if trace.customdata is not None}
    assert kinds["foreign"] | kinds["failed"] == set(range(5, 5 + len(ADDED)))
    assert kinds["explore"] == set(range(4))
    for name in ("contour", "parallel"):
        assert drawn[name].to_json() == before[name].to_json()
    low, high = drawn["history"].layout.yaxis.range
    assert 0.4 < low < 0.5  # from the worst value that was measured
    assert 1.0 < high < 1.1  # to the best


def test_a_trial_outside_the_range_that_was_trained_may_be_the_best_and_says_so(tmp_path):
    study = made("CCC")
    outside = INSIDE | {"adv_eps": 7.0}
    dists = {name: distribution_of(name, given) for name, given in outside.items()}
    study.add_trial(create_trial(params=outside, distributions=dists, value=0.995, user_attrs=METRICS))
    summary = summarise(study)
    assert summary.best.number == 3
    assert summary.notes[3].startswith("trial 3, the best: adv_eps 7 is outside the searched ")
    assert best_of(summary).settings["adv_eps"] == 7.0
    assert summary.notes[3] in write_report(summary, tmp_path).read_text()


def test_a_study_of_strangers_alone_has_no_best(tmp_path):
    study = made("")
    study.add_trial(create_trial(params={}, distributions={}, value=0.9))
    summary = summarise(study)
    assert summary.best is None
    write_report(summary, tmp_path)
    write_trials(summary, tmp_path)
    with pytest.raises(UserError, match="no complete trial"):
        best_of(summary)


def test_the_best_that_a_search_shows_was_measured():
    strangers = with_added("a good value that nobody measured", states="").trials
    watch = Watch(Screen(None), "accuracy", maximize=True, total=9, seen=strangers)
    assert (watch.done, watch.best) == (1, None)


def test_notes_that_are_not_printed_are_counted():
    text = io.StringIO()
    print_summary(Console(file=text), summarise(with_added(*ADDED)))
    assert f"and {len(ADDED) - 1 - 5} more trials with a note, in trials.csv" in text.getvalue()
