"""Predictions in user attributes."""

import numpy as np
import optuna
import pytest

from studies.running.kept import PART, keep, kept


@pytest.mark.parametrize("size", [1, 1000, 30_000])
def test_predictions_are_kept_whole(size):
    study = optuna.create_study()
    trial = study.ask()
    array = np.random.default_rng(0).standard_normal((size, 3)).astype(np.float32)
    keep(trial, "test", array)
    attributes = study.trials[0].user_attrs
    assert all(len(part) <= PART for part in attributes.values() if isinstance(part, str))
    found = kept(attributes, "test")
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert (found == array).all()
    assert kept(attributes, "validation") is None
