import numpy as np
import optuna
import pytest
from helpers.made_up_studies import made
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from studies.planning.identity import VALIDATION
from studies.results.broken import broken, noise_of, of_few_rows, points_of, told_apart
from studies.results.summary import BASELINE, summarise
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
        assert broken(points, clean=-1e9, far=4.0).tolist() == [False, False, True]


def test_broken_is_far_below_clean_training():
    points = points_of([trial(value) for value in (0.80, 0.7601, 0.7599, 0.2)], maximize=True)
    assert broken(points, clean=0.8, far=0.04).tolist() == [False, False, True, True]
    errors = points_of([trial(value) for value in (0.5, 0.53, 0.55)], maximize=False)
    assert broken(errors, clean=-0.5, far=0.04).tolist() == [False, False, True]


@pytest.mark.parametrize("rows", [50, 131, 600, 5000])
def test_five_rows_break_nothing_however_small_the_noise_and_seven_do(rows):
    clean = round(0.8 * rows) / rows
    least = of_few_rows(rows, (clean * (1 - clean) / rows) ** 0.5)
    # Twelve equal trials, and two that got five and seven rows more wrong: rests of the fit are 0.
    points = points_of([trial(clean - lost / rows) for lost in (*[0] * 12, 5, 7)], maximize=True)
    noise, lost = told_apart([np.zeros((14, 1))], points, clean, least)
    assert noise == 0
    assert lost.tolist() == [False] * 13 + [True]


@pytest.mark.parametrize(("rows", "error"), [(None, None), (131, None), (None, 0.03), (131, 0.0), (0, 0.03)])
def test_where_the_error_of_the_rows_is_not_known_noise_alone_counts(rows, error):
    assert of_few_rows(rows, error) == 0


def test_a_study_on_few_rows_calls_nothing_broken_that_lost_two_of_them():
    """As it was seen: 131 rows, clean training 0.7939, half of the trials at 0.7786, which is two rows less."""
    study = made("C" * 12)
    study.set_user_attr(VALIDATION, {"rows": 131, "error": {"accuracy": 0.0353}})
    clean = study.user_attrs[BASELINE][-1]["metrics"]["accuracy"]
    for lost, expected in ((0.0153, []), (0.06, [3])):
        summary = summarise(study)
        for number, found in enumerate(summary.trials):
            found.value = clean - (lost if number == 3 else 0.0153 * (number % 2))
            found.intermediate_values = {}
        assert summary.matters.broken == expected


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
