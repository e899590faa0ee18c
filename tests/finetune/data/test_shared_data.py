"""Public data sets that lie beside the project where they are provided."""

import numpy as np
import pytest
from helpers.places import ROOT

from finetune.config import Data
from finetune.data.load import load_task

FOLDER = ROOT / "../shared/data"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the public data sets (../shared/data) are not here")


def sizes(task):
    return len(task.train), len(task.validation), len(task.test)


def test_banking10():
    task = load_task(Data(data=str(FOLDER / "banking10")))
    assert sizes(task) == (1163, 131, 400)
    assert (task.name, task.kind, len(task.names)) == ("banking10", "classification", 10)
    assert np.bincount(task.test.labels).max() / 400 == 0.1
    assert "pending_cash_withdrawal" in task.names


def test_emobank():
    names = ("valence", "arousal", "dominance")
    task = load_task(Data(data=str(FOLDER / "emobank"), label_column=names))
    assert sizes(task) == (8062, 1000, 1000)
    assert (task.kind, task.names) == ("regression", names)
    assert task.train.labels.min() >= 1
    assert task.train.labels.max() <= 5
    mean = task.train.labels.mean(0)
    assert np.sqrt(((task.test.labels - mean) ** 2).mean(0)).mean() == pytest.approx(0.2672, abs=1e-4)


def test_part_of_banking10_is_stratified():
    task = load_task(Data(data=str(FOLDER / "banking10"), max_train_rows=100))
    counts = np.bincount(task.train.labels, minlength=10)
    whole = np.bincount(load_task(Data(data=str(FOLDER / "banking10"))).train.labels)
    assert counts.sum() == 100
    np.testing.assert_allclose(counts, whole / whole.sum() * 100, atol=1)


def test_wnut17():
    task = load_task(Data(data=str(FOLDER / "wnut17"), max_validation_rows=100))
    assert sizes(task) == (3394, 100, 1287)
    assert (task.kind, len(task.names), task.names[0]) == ("tokens", 13, "O")
    counts = [int((rows.labels == task.names.index("B-person")).sum()) for rows in (task.train, task.test)]
    assert counts == [660, 429]
    assert len(np.unique(task.validation.labels)) == 14
    (line,) = task.notes
    assert line.startswith("train.tsv, dev.tsv and test.tsv are read as words with tags")
