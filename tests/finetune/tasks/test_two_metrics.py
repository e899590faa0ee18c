"""One metric to search, or two."""

import pytest
from helpers.small_tasks import numbers_task, reviews_task

from finetune.errors import UserError
from finetune.tasks.metrics import direction_of, metrics_for, named, views_of


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("accuracy", ["accuracy"]),
        ("accuracy,seconds", ["accuracy", "seconds"]),
        (" rmse , noisy_rmse ", ["rmse", "noisy_rmse"]),
        ("robust_mcc,log_loss", ["robust_mcc", "log_loss"]),
        ("robust_accuracy,noisy_accuracy", ["robust_accuracy", "noisy_accuracy"]),
    ],
)
def test_one_metric_or_two_are_read(asked, names):
    assert named(asked) == names


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("accuracy,", "a name is missing; write metric='accuracy' or metric='accuracy,seconds'"),
        (",seconds", "a name is missing"),
        ("seconds", "seconds is a second metric .* write metric='accuracy,seconds'"),
        ("seconds,mcc", "write metric='mcc,seconds'"),
        ("seconds,seconds", "write metric='accuracy,seconds'"),
        ("mcc,mcc", "it is the same metric twice; write metric='mcc'"),
        ("accuracy,rmse,seconds", "a study searches one metric or two, not 3"),
        ("accuracy,secnds", "unknown metric 'secnds'; did you mean 'seconds'"),
        ("acuracy,seconds", "unknown metric 'acuracy'; did you mean 'accuracy'"),
        ("accuracy,robust_acuracy", "did you mean 'robust_accuracy'"),
        ("accuracy,robust_seconds", "unknown metric 'robust_seconds'"),
        ("accuracy;seconds", "unknown metric 'accuracy;seconds'"),
        ("Accuracy,seconds", "did you mean 'accuracy'"),
    ],
)
def test_what_cannot_be_searched_together_is_refused_in_one_line(asked, said):
    with pytest.raises(UserError, match=said) as raised:
        named(asked)
    assert "\n" not in str(raised.value)


def test_both_must_fit_the_task():
    assert metrics_for(reviews_task()) == ["accuracy"]
    assert metrics_for(numbers_task(), "rmse,seconds") == ["rmse", "seconds"]
    with pytest.raises(UserError, match="metric='rmse' is not for classification"):
        metrics_for(reviews_task(), "accuracy,rmse")


def test_the_views_of_both_are_measured():
    assert views_of("noisy_accuracy", (), "robust_accuracy") == ("robust", "noisy")
    assert views_of("accuracy", ("noisy",), "seconds") == ("noisy",)


def test_fewer_seconds_are_better():
    assert [direction_of(name) for name in ("seconds", "noisy_accuracy", "robust_rmse")] == [
        "minimize",
        "maximize",
        "minimize",
    ]
