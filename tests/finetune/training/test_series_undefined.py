"""A metric of the user's own that the rows of one fold cannot define."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.folded_tasks import folded, series_of, trained
from helpers.small_tasks import reviews_task
from scipy.special import softmax

from adv import Clean
from finetune.folds import Folds
from finetune.tasks.own_metric import read_own
from finetune.training.epoch import value_of
from finetune.training.series import Series

OWN = """
import numpy as np

def gap(labels, predictions):
    if len(set(labels.tolist())) < 2:
        raise ValueError("only one class")
    return float(abs(predictions[labels == 1, 1].mean() - predictions[labels == 0, 1].mean()))
"""


def task_with_a_fold_of_one_class(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    own = read_own(f"{tmp_path / 'own.py'}:gap")
    task = reviews_task()
    order = np.argsort(task.train.labels[:40], kind="stable")
    pool = task.train.take(order)
    assert len(set(pool.labels[:6])) == 1
    fold_of = np.array([0] * 6 + [1, 2] * 17)
    return own.name, replace(folded(task, fold_of), train=pool, validation=pool, own=(own,))


def test_a_metric_that_a_fold_cannot_define_is_that_of_all_rows(tmp_path):
    name, task = task_with_a_fold_of_one_class(tmp_path)
    series = series_of(task, Folds(folds=3), metric=name)
    ended = trained(series)
    assert np.isnan(ended[0].history[-1].metrics[name])
    assert np.isnan(value_of(series.combined(ended[:1]), name))
    likely, labels = softmax(series.raw(ended)[0].astype(np.float64), 1)[:, 1], task.train.labels
    expected = abs(likely[labels == 1].mean() - likely[labels == 0].mean())
    history = series.combined(ended)
    assert value_of(history, name) == pytest.approx(expected, rel=1e-6)
    assert history[-1].metrics[name] == pytest.approx(np.mean([run.history[-1].metrics[name] for run in ended[1:]]))


def test_where_each_fold_counts_alone_a_metric_must_be_defined_in_each(tmp_path):
    name, task = task_with_a_fold_of_one_class(tmp_path)
    series = series_of(task, Folds(folds=3, fold_score="mean"), metric=name)
    # Also where the same benches have trained for the pooled score before.
    Series(series.benches, Folds(folds=3), series.recipe, name).training(series.parts[0], Clean())
    with pytest.raises(ValueError, match="only one class"):
        trained(series)
