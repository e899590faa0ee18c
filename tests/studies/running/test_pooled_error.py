"""The standard error of several runs together: over rows, or over groups where rows are in groups."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.folded_tasks import folded, series_of
from helpers.small_tasks import reviews_task

from finetune.folds import Folds
from finetune.training.series import Ended
from studies.running.split_error import pooled_error

# 16 groups of 4 rows; a group is right or wrong as a whole. In folds of four groups 3, 2, 1 and 3 are right.
GROUPS = np.arange(64) // 4
FOLD_OF = GROUPS % 4
RIGHT = np.isin(GROUPS, [0, 4, 8, 1, 5, 2, 3, 7, 11])
SHARES = np.array([3, 2, 1, 3]) / 4


def error(groups, **how):
    task = replace(folded(reviews_task(), FOLD_OF), groups=groups)
    series = series_of(task, Folds(folds=4, **how))
    said = np.where(RIGHT, task.train.labels, 1 - task.train.labels)
    logits = np.stack([1.0 - said, said], 1).astype(np.float32)
    ended = [Ended(part, [], logits[np.equal(FOLD_OF, part.fold)]) for part in series.parts]
    return pooled_error(series, ended)


@pytest.mark.parametrize("seeds", [1, 2])
def test_rows_count_by_themselves_and_rows_of_one_group_as_one(seeds):
    share = 9 / 16
    assert error(None, seeds=seeds) == pytest.approx(math.sqrt(share * (1 - share) / 64), rel=0.2)
    assert error(GROUPS, seeds=seeds) == pytest.approx(math.sqrt(share * (1 - share) / 16), rel=0.2)


def test_for_the_mean_over_folds_rows_and_groups_are_drawn_inside_the_folds():
    by_fold = SHARES * (1 - SHARES)
    assert error(None, fold_score="mean") == pytest.approx(math.sqrt((by_fold / 16).sum()) / 4, rel=0.2)
    assert error(GROUPS, fold_score="mean") == pytest.approx(math.sqrt((by_fold / 4).sum()) / 4, rel=0.2)


def test_groups_need_not_lie_together_nor_be_of_one_size():
    order = np.random.default_rng(0).permutation(64)
    assert error(order // 4) < 1.5 * error(None)
    assert error(np.where(GROUPS < 8, 0, GROUPS)) > 1.2 * error(GROUPS)
