"""What is said about folds and seeds."""

from types import SimpleNamespace

import pytest
from helpers.folded_tasks import folded_task
from helpers.small_tasks import reviews_task

from finetune.folds import Folds
from studies.results.folded import Spread, by_run, compared, rows_told, runs_told, spread_of


def test_rows_are_told_with_their_folds():
    assert rows_told(folded_task()) == "40 rows in 3 folds"
    assert rows_told(reviews_task()) == "64 train and 64 validation rows"


@pytest.mark.parametrize(
    ("folds", "metric", "line"),
    [
        (
            Folds(folds=3),
            "accuracy",
            "a trial is 3 runs (one on each fold); its value is the accuracy of the out-of-fold predictions of all rows "
            "together; fold_score='mean' takes the mean over the folds",
        ),
        (
            Folds(folds=3, seeds=2),
            "macro_f1",
            "a trial is 6 runs (3 folds x 2 seeds); its value is the macro_f1 of the out-of-fold predictions of all rows "
            "together, the mean over 2 seeds; fold_score='mean' takes the mean over the folds",
        ),
        (
            Folds(folds=3, seeds=2, fold_score="mean"),
            "rmse",
            "a trial is 6 runs (3 folds x 2 seeds); its value is the mean rmse over the folds, and over 2 seeds "
            "(fold_score='mean')",
        ),
        (
            Folds(folds=3),
            "robust_accuracy",
            "a trial is 3 runs (one on each fold); its value is the mean robust_accuracy over the folds (robust is measured "
            "fold by fold)",
        ),
    ],
)
def test_it_is_said_what_a_value_is(folds, metric, line):
    from finetune.arguments import as_arguments

    assert [as_arguments(said) for said in runs_told(folded_task(), folds, metric)] == [line]


def test_seeds_alone_are_a_mean_and_one_run_says_nothing():
    assert runs_told(reviews_task(), Folds(seeds=4), "accuracy") == [
        "a trial is 4 runs (one with each of 4 seeds); its value is the mean accuracy over the 4 seeds"
    ]
    assert runs_told(reviews_task(), Folds(), "accuracy") == []


def test_differences_are_paired_fold_by_fold_over_the_same_seeds():
    best = {(0, 0): 0.8, (1, 0): 0.6, (0, 1): 0.7, (1, 1): 0.6}
    clean = {(0, 0): 0.7, (1, 0): 0.7, (0, 1): 0.6, (1, 1): 0.4}
    assert Spread(best, clean).differences == {0: pytest.approx(0.1), 1: pytest.approx(0.05)}


def test_a_fold_that_does_not_define_the_metric_has_no_value():
    runs = [{"fold": 0, "seed": 0, "metrics": {"f1": 0.5}}, {"fold": 1, "seed": 0, "metrics": {}}]
    assert by_run(runs, "f1") == {(0, 0): 0.5}


def test_the_paired_differences_are_told_and_equal_runs_have_none():
    best, clean = {(0, 0): 0.9, (1, 0): 0.8}, {(0, 0): 0.8, (1, 0): 0.82}
    assert compared(Spread(best, clean), True, True, 2) == (
        "the best against clean fold by fold: +0.10, -0.02 (1 of 2 better; mean +0.04, standard error 0.06); runs of the "
        "best from 0.80 to 0.90, of clean training from 0.80 to 0.82"
    )
    assert "-0.10, +0.02 (1 of 2 better; mean -0.04" in compared(Spread(best, clean), True, False, 2)
    hardly = {(0, 0): 0.801, (1, 0): 0.819}
    assert "+0.00, +0.00 (0 of 2 better; mean +0.00" in compared(Spread(hardly, clean), True, True, 2)
    assert compared(Spread(best, best), True, True, 2) == "runs of the best, as of clean training, from 0.80 to 0.90"


def test_runs_that_clean_training_does_not_have_are_no_pairs():
    runs = [{"fold": fold, "seed": 0, "metrics": {"f1": 0.5}} for fold in (0, 1)]
    trial = SimpleNamespace(user_attrs={"runs": runs})

    def beside(clean):
        return spread_of(SimpleNamespace(metric="f1", best=trial, study=SimpleNamespace(user_attrs={"runs": clean})))

    assert beside(runs).differences == {0: 0, 1: 0}
    assert beside(runs[:1]) is None
    assert beside([]) is None
