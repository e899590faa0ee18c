"""What a search had spent and found: against all subsets, and against sums by hand."""

import itertools
import statistics

import pytest
from helpers.made_up_studies import EPOCHS, summary
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces import space_of
from studies.results.budgets import expected_best, independent, spending


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), max_size=9), st.booleans())
def test_the_expected_best_is_the_mean_over_all_subsets(values, maximize):
    pick = max if maximize else min
    by_hand = [
        statistics.fmean(pick(subset) for subset in itertools.combinations(values, k))
        for k in range(1, len(values) // 2 + 1)
    ]
    assert expected_best(values, maximize) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([0.5], []),
        ([0.5, 0.7], [0.6]),
        ([0.5] * 4, [0.5, 0.5]),
        ([0.0, 0.0, 0.0, 1.0], [0.25, 0.5]),
        ([1e-300, 1e300], [5e299]),
    ],
)
def test_no_more_budget_than_half_of_the_trials(values, expected):
    assert expected_best(values) == pytest.approx(expected)


def test_hundreds_of_trials_overflow_nothing():
    found = expected_best([float(value) for value in range(1001)])
    assert len(found) == 500
    # The expected largest of k of 0 ... n is k (n + 1) / (k + 1) - ... written out: k (n + 2) / (k + 1) - 1, with n = 1000.
    assert found[499] == pytest.approx(500 * 1002 / 501 - 1)


def test_spending_adds_up_all_trials_and_the_best_are_complete_ones():
    found = summary("CPFCC", space_of("fgm", EPOCHS), explore=5)
    spent = spending(found)
    seconds = [trial.user_attrs["seconds"] for trial in found.trials]
    assert [one.seconds for one in spent] == pytest.approx(list(itertools.accumulate(seconds)))
    passes = []
    for trial, done in zip(found.trials, [EPOCHS, 2, 1, EPOCHS, EPOCHS], strict=True):
        clean = min(done, trial.params["start_epoch"])
        passes.append((clean + 2.0 * (done - clean)) / EPOCHS)  # awp at adv_step 1: twice a clean step
    assert [one.passes for one in spent] == pytest.approx(list(itertools.accumulate(passes)))
    values = [trial.value for trial in found.trials]
    assert [one.best for one in spent[:3]] == [values[0]] * 3  # neither the pruned nor the failed one
    assert spent[4].best == max(values[0], values[3], values[4])


def test_for_an_error_the_best_is_the_smallest():
    found = summary("CCC", metric="rmse", maximize=False)
    assert spending(found)[-1].best == min(trial.value for trial in found.trials)


def test_before_the_first_complete_trial_there_is_no_best():
    assert [one.best for one in spending(summary("FPC"))][:2] == [None, None]


def test_chosen_points_and_the_search_are_no_independent_draws_and_a_failure_is_the_worst():
    found = summary("CCFCPCC", explore=5)
    values = [trial.value for trial in found.trials]
    drawn = independent(found)
    known = [values[1], values[3], values[4]]  # the pruned one with its last report
    assert drawn == [values[1], min(known), values[3], values[4]]


@pytest.mark.parametrize("states", ["", "C", "FFF", "CF"])
def test_without_a_drawn_value_nothing_is_expected(states):
    assert expected_best(independent(summary(states))) == []
