"""Splits that the data does not bring, and training on a part."""

import numpy as np
import pytest
from helpers.small_tasks import write_lines
from hypothesis import given
from hypothesis import strategies as st

from finetune.config import Data
from finetune.data.load import load_task
from finetune.data.parts import ASIDE, split, subset
from finetune.tasks.task import Rows

SHARES = {"often": 60, "sometimes": 30, "rarely": 10}


@pytest.fixture
def path(tmp_path):
    labels = [label for label, count in SHARES.items() for _ in range(count)]
    return write_lines(tmp_path / "all.jsonl", [{"text": f"text {n} é", "label": label} for n, label in enumerate(labels)])


def parts_of(task):
    return {"train": task.train, "validation": task.validation, "test": task.test}


def shares(rows):
    return np.bincount(rows.labels, minlength=3) / len(rows)


def test_missing_splits_are_stratified_disjoint_and_whole(path):
    parts = parts_of(load_task(Data(train_file=path)))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 70, "validation": 15, "test": 15}
    texts = [text for rows in parts.values() for text in rows.texts]
    assert sorted(texts) == sorted(f"text {n} é" for n in range(100))
    for rows in parts.values():
        np.testing.assert_allclose(shares(rows), [0.6, 0.1, 0.3], atol=0.04)


def test_missing_splits_are_the_same_every_time(path):
    first = load_task(Data(train_file=path))
    np.random.seed(99)
    again = load_task(Data(train_file=path))
    assert again.fingerprint == first.fingerprint
    assert again.test.texts == first.test.texts


@pytest.mark.parametrize("given_split", ["validation", "test"])
def test_only_the_missing_split_is_made(path, tmp_path, given_split):
    other = write_lines(tmp_path / "other.jsonl", [{"text": f"other {n}", "label": "often"} for n in range(4)])
    parts = parts_of(load_task(Data(train_file=path, **{f"{given_split}_file": other})))
    made = "test" if given_split == "validation" else "validation"
    assert parts[given_split].texts == [f"other {n}" for n in range(4)]
    assert (len(parts["train"]), len(parts[made])) == (100 - round(100 * ASIDE), round(100 * ASIDE))
    assert not set(parts["train"].texts) & set(parts[made].texts)


def test_fewer_training_rows_are_a_stratified_stable_part_and_leave_the_other_splits(path):
    whole = load_task(Data(train_file=path))
    part = load_task(Data(train_file=path, max_train_rows=40))
    assert len(part.train) == 40
    assert set(part.train.texts) < set(whole.train.texts)
    np.testing.assert_allclose(shares(part.train), shares(whole.train), atol=0.03)
    assert part.validation.texts == whole.validation.texts
    assert part.test.texts == whole.test.texts
    assert load_task(Data(train_file=path, max_train_rows=40)).fingerprint == part.fingerprint
    assert part.fingerprint != whole.fingerprint


def test_more_rows_than_there_are_is_all_of_them(path):
    assert load_task(Data(train_file=path, max_train_rows=500)).fingerprint == load_task(Data(train_file=path)).fingerprint


def test_classes_too_rare_to_stratify_and_targets_are_split_all_the_same(tmp_path):
    labels = [str(n) for n in range(12)]
    rows = [{"text": f"text {n}", "label": label, "score": n / 3} for n, label in enumerate(labels)]
    path = write_lines(tmp_path / "rare.jsonl", rows)
    for column in ("label", "score"):
        parts = parts_of(load_task(Data(train_file=path, label_column=(column,))))
        assert {name: len(rows) for name, rows in parts.items()} == {"train": 8, "validation": 2, "test": 2}


@given(counts=st.lists(st.integers(1, 20), min_size=2, max_size=6), data=st.data())
def test_any_split_of_any_classes_is_whole_and_keeps_rows_together(counts, data):
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = Rows([f"{n}/{label}" for n, label in enumerate(labels)], [f"pair {n}" for n in range(len(labels))], labels)
    aside = data.draw(st.integers(1, len(rows) - 1))
    rest, out = split(rows, "classification", aside)
    assert (len(rest), len(out)) == (len(rows) - aside, aside)
    assert sorted(rest.texts + out.texts) == sorted(rows.texts)
    for part in (rest, out, subset(rows, "classification", aside)):
        for text, pair, label in zip(part.texts, part.pairs, part.labels, strict=True):
            assert text.split("/") == [pair.split()[1], str(label)]
