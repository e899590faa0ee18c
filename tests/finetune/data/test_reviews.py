import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from finetune.config import Data
from finetune.data.load import REVIEWS, load_task
from finetune.data.reviews import BAD, GOOD, LABELS, reviews


@pytest.fixture(scope="module")
def task():
    return load_task(Data(task="reviews"))


@given(rows=st.integers(1, 80), seed=st.integers(0, 2**32 - 1))
def test_gives_so_many_different_texts_with_known_labels(rows, seed):
    texts, labels = reviews(rows, seed)
    assert len(texts) == len(labels) == rows
    assert len(set(texts)) == rows
    assert set(labels) <= set(LABELS)


def test_same_seed_same_rows_whatever_the_global_generator():
    first = reviews(200, 5)
    np.random.seed(99)
    assert reviews(200, 5) == first


def test_another_seed_gives_other_rows():
    assert len(set(reviews(200, 5)[0]) & set(reviews(200, 6)[0])) < 20


@pytest.mark.parametrize("seed", range(5))
def test_balanced_but_for_the_wrong_labels(seed):
    rows = 1000
    share = reviews(rows, seed)[1].count("positive") / rows
    assert 0.47 < share < 0.53


def test_no_opinion_word_has_two_meanings():
    assert len(set(GOOD) | set(BAD)) == len(GOOD) + len(BAD)


def test_splits_have_their_sizes_and_no_text_in_common(task):
    parts = {name: getattr(task, name) for name in ("train", "validation", "test")}
    assert {name: len(rows) for name, rows in parts.items()} == {name: REVIEWS[name] for name in parts}
    assert len(set().union(*(rows.texts for rows in parts.values()))) == sum(len(rows) for rows in parts.values())
    for rows in parts.values():
        assert 0.4 < rows.labels.mean() < 0.6


def test_unlabelled_texts_are_others_than_the_training_texts(task):
    assert len(set(task.unlabelled)) == REVIEWS["unlabelled"]
    assert len(set(task.unlabelled) & set(task.train.texts)) < 10


def test_the_task_is_the_same_every_time(task):
    again = load_task(Data(task="reviews"))
    assert again.fingerprint == task.fingerprint
    assert again.unlabelled == task.unlabelled


def test_a_bag_of_words_learns_something_but_not_everything(task):
    bag = CountVectorizer().fit(task.train.texts)
    model = LogisticRegression(max_iter=1000).fit(bag.transform(task.train.texts), task.train.labels)
    accuracy = model.score(bag.transform(task.test.texts), task.test.labels)
    assert 0.65 < accuracy < 0.92
