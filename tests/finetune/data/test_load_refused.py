"""Data that cannot be used, and what is said about it."""

import pytest
from helpers.small_tasks import rows_with, write_lines

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError


def load(tmp_path, rows, metric=None, **options):
    return load_task(Data(train_file=write_lines(tmp_path / "rows.jsonl", rows), **options), metric)


@pytest.mark.parametrize(
    ("rows", "options", "reason"),
    [
        (rows_with(["a", "b"] * 9, lable=1), {"label_column": ("lable2",)}, "label_column='lable2': .*did you mean 'lable'"),
        (rows_with(["a", "b"] * 9), {"text_column": "txt"}, "text_column='txt': .*did you mean 'text'"),
        (rows_with(["a", "b"] * 9), {"pair_column": "other"}, "pair_column='other'"),
        (rows_with(["a"] * 18), {}, "there is only one class .'a'."),
        (rows_with(["a", "b", None] * 6), {}, "row 3 of the train data has no label"),
        (rows_with(["a", "", "b"] * 6), {}, "row 2 of the train data has no label"),
        (rows_with([0.5, 1.5, None] * 6), {}, "row 3 of the train data has no label"),
        (rows_with([0.5, "x"] * 9), {"metric": "rmse"}, "row 2 of the train data is 'x', not a finite number"),
        (rows_with([0.5, "inf"] * 9), {"metric": "rmse"}, "row 2 of the train data is 'inf'"),
        (rows_with([0.5, 1e30] * 9), {}, "row 2 of the train data is 1e\\+30"),
        (rows_with([2.5] * 18), {}, "every target in the train data is 2.5"),
        (rows_with(range(22)), {}, "22 classes in 22 rows"),
        (rows_with([["a"], ["b"]] * 9), {"kind": "classification"}, "not a single value"),
        (rows_with([{"a": 1}, {"a": 2}] * 9), {}, "not a single value"),
        (rows_with(["a", "b"] * 9), {"label_column": ("text",)}, "is already the text_column"),
        (rows_with(["a", "b", "a"]), {}, "3 rows; at least 10"),
        ([{"text": " ", "label": n % 2} for n in range(20)], {}, "every text in the train data is empty"),
        (
            rows_with(["a", "b"] * 9, c=1),
            {"label_column": ("label", "c"), "metric": "accuracy"},
            "metric='accuracy' takes one column",
        ),
    ],
)
def test_what_is_wrong_with_the_data_is_said_in_its_words(tmp_path, rows, options, reason):
    with pytest.raises(UserError, match=reason):
        load(tmp_path, rows, **options)


def test_a_class_that_training_does_not_have(tmp_path):
    train = write_lines(tmp_path / "train.jsonl", rows_with(["a", "b"] * 9))
    other = write_lines(tmp_path / "dev.jsonl", rows_with(["a", "c"]))
    with pytest.raises(UserError, match="the validation data has a class that the train data does not have: 'c'"):
        load_task(Data(train_file=train, validation_file=other))


@pytest.mark.parametrize("options", [{}, {"task": "reviews", "data": "x"}, {"data": "x", "train_file": "y"}])
def test_exactly_one_source(options):
    with pytest.raises(UserError, match="exactly one"):
        load_task(Data(**options))


def test_an_unknown_task_is_answered_with_the_near_one():
    with pytest.raises(UserError, match="did you mean 'reviews'"):
        load_task(Data(task="review"))


def test_ten_rows_are_enough_and_nine_are_not(tmp_path):
    assert len(load(tmp_path, rows_with(["a", "b"] * 5)).train) == 6
    with pytest.raises(UserError, match="the train data has 9 rows; at least 10 are needed"):
        load(tmp_path, rows_with(["a", "b", "a"] * 3))
    with pytest.raises(UserError, match="the train data has 1 row; at least 10 are needed"):
        load(tmp_path, rows_with(["a"]))
