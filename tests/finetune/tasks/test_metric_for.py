"""Which metric a task is optimised by."""

import pytest
from helpers.small_tasks import numbers_task, reviews_task

from finetune.errors import UserError
from finetune.tasks.metrics import metric_for


@pytest.mark.parametrize(
    ("task", "usual"), [(reviews_task(), "accuracy"), (numbers_task(1), "rmse"), (numbers_task(2), "mcrmse")]
)
def test_each_task_has_a_usual_one(task, usual):
    assert metric_for(task) == usual


def test_one_that_fits_is_taken():
    assert metric_for(reviews_task(), "mcc") == "mcc"
    assert metric_for(numbers_task(2), "pearson") == "pearson"


def test_one_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"metric='rmse' is not for classification; choose from accuracy"):
        metric_for(reviews_task(), "rmse")
    with pytest.raises(UserError, match=r"metric='accuracy' is not for regression; choose from .*rmse"):
        metric_for(numbers_task(), "accuracy")
    with pytest.raises(UserError, match=r"unknown metric 'acuracy'; did you mean 'accuracy'\?"):
        metric_for(reviews_task(), "acuracy")
