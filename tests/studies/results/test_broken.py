import numpy as np
import optuna
import pytest
from helpers.made_up_studies import made
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from studies.results.broken import broken, noise_of, points_of, told_apart
from studies.results.terms import cosines

DISTRIBUTIONS = {"x": FloatDistribution(0, 1)}


def trial(value=None, state=TrialState.COMPLETE, reports=None, failure=None):
    return create_trial(
        state=state,
        value=value,
        params={"x": 0.5},
        distributions=DISTRIBUTIONS,
        intermediate_values=reports or {},
        user_attrs={"failure": failure} if failure else {},
    )


COMPLETE = [trial(0.8, reports={0: 0.5, 1: 0.7, 2: 0.8}), trial(0.9, reports={0: 0.7, 1: 0.85, 2: 0.9})]


def test_a_pruned_trial_counts_with_what_it_would_have_reached():
    pruned = trial(state=TrialState.PRUNED, reports={0: 0.4, 1: 0.6})
    points = points_of([*COMPLETE, pruned], maximize=True)
    assert points.values == pytest.approx([0.8, 0.9, 0.6 + (0.1 + 0.05) / 2])
    early = trial(state=TrialState.PRUNED, reports={0: 0.4})
    assert points_of([*COMPLETE, early], True).values[-1] == pytest.approx(0.4 + (0.3 + 0.2) / 2)
    assert points_of([*COMPLETE, early], False).values == pytest.approx([-0.8, -0.9, -0.65])


@pytest.mark.parametrize(
    ("odd", "counts"),
    [
        (trial(state=TrialState.FAIL, failure="diverged: the training loss is nan in epoch 1"), True),
        (trial(state=TrialState.FAIL, failure="the metric is nan"), True),
        (trial(state=TrialState.FAIL, failure="out of memory: smaller batches or shorter texts need less"), False),
        (trial(state=TrialState.FAIL, failure="KeyError: 'diverged'"), False),
        (trial(state=TrialState.FAIL), False),
        (trial(state=TrialState.PRUNED), False),
        (trial(state=TrialState.PRUNED, reports={0: float("nan")}), False),
        (trial(state=TrialState.PRUNED, reports={7: 0.1}), True),
    ],
)
def test_only_trials_that_tell_about_their_settings_count(odd, counts):
    points = points_of([*COMPLETE, odd], maximize=True)
    assert len(points.trials) == 2 + counts
    if odd.state is TrialState.FAIL and counts:
        assert broken(points, clean=-1e9, noise=1.0).tolist() == [False, False, True]


def test_broken_is_more_than_four_times_the_noise_below_clean_training():
    points = points_of([trial(value) for value in (0.80, 0.7601, 0.7599, 0.2)], maximize=True)
    assert broken(points, clean=0.8, noise=0.01).tolist() == [False, False, True, True]
    errors = points_of([trial(value) for value in (0.5, 0.53, 0.55)], maximize=False)
    assert broken(errors, clean=-0.5, noise=0.01).tolist() == [False, False, True]


@pytest.mark.parametrize("lost", [0.0, 0.25])
def test_noise_is_measured_beside_what_settings_do_and_what_collapsed(lost):
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        places = rng.random((48, 2))
        values = np.where(places[:, 0] > 1 - lost, -30.0, 2 * places[:, 1]) + rng.normal(size=48)
        points = points_of([trial(value) for value in values], maximize=True)
        found.append(noise_of([cosines(column, 8) for column in places.T], points))
    assert 0.6 < np.median(found) < 2  # the collapsed ones are 30 away


@pytest.mark.parametrize("depth", [0.0, 8.0, 30.0])
def test_noise_is_measured_again_without_what_collapsed(depth):
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        places = rng.random((48, 2))
        fell = (places > 0.55).all(1)
        points = points_of([trial(value) for value in rng.normal(size=48) - depth * fell], maximize=True)
        noise, lost = told_apart([cosines(column, 8) for column in places.T], points, clean=0.0)
        found.append(noise)
        assert (lost != (fell & (depth > 0))).sum() <= 3
    assert 0.7 < np.median(found) < 1.3


def test_noise_of_few_trials_that_are_not_broken_is_not_measured_again():
    points = points_of([trial(value) for value in [-50.0, 50.0] * 5], maximize=True)
    noise, lost = told_apart([cosines(np.linspace(0, 1, 10), 8)], points, clean=1e6)
    assert np.isfinite(noise)
    assert lost.all()


@pytest.mark.parametrize("values", [[], [0.5], [0.5] * 9])
def test_equal_values_have_no_noise(values):
    points = points_of([trial(value) for value in values], maximize=True)
    assert noise_of([cosines(np.linspace(0, 1, len(values)), 8)], points) == 0


def test_a_study_as_a_search_leaves_it():
    study = made("C" * 12 + "PFCPC")
    points = points_of(study.trials, maximize=True)
    assert [trial.number for trial in points.trials] == list(range(17))
    assert np.isinf(points.values[13])
    assert isinstance(study, optuna.Study)
