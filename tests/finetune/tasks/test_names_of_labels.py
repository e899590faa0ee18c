"""Columns that may name several labels in a cell: what is refused, and what is said."""

import pytest
from helpers.small_tasks import write_lines

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.tasks import kind_for


def load(tmp_path, labels, **data):
    """The task of these labels, 40 rows of them in turn."""
    rows = [{"text": f"text {n}", "label": labels[n % len(labels)]} for n in range(40)]
    return load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", rows), **data))


@pytest.mark.parametrize(
    ("labels", "names", "each"),
    [
        (["{'a', 'b'}", "{'b'}", "set()"], ("a", "b"), [2, 1, 0]),
        (["('a', 'b')", "('b',)", "()"], ("a", "b"), [2, 1, 0]),
        (["(a)|b", "b", "(c)"], ("(a)", "(c)", "b"), [2, 1, 1]),
        (["x", "y", "n"], ("n", "x", "y"), [1, 1, 1]),
    ],
)
def test_sets_and_tuples_are_lists_and_other_brackets_are_names(tmp_path, labels, names, each):
    task = load(tmp_path, labels, kind="multilabel")
    assert task.names == names
    for part in (task.train, task.validation, task.test):
        assert part.labels.sum(1).tolist() == [each[int(text.split()[1]) % len(each)] for text in part.texts]


@pytest.mark.parametrize("labels", [["{a,b}", "{b}"], ["(a,b)", "b"], ["{a|b}", "a"], ["(a;b) ", "(b)"]])
def test_brackets_around_guessed_names_are_refused(tmp_path, labels):
    with pytest.raises(
        UserError, match=r"row 1 of the train data is '.a.b.', no list in JSON or Python.*; leave the brackets out"
    ):
        load(tmp_path, labels, kind="multilabel")
    parts = labels[0].strip().split(labels[0][2])
    assert set(parts) <= set(load(tmp_path, labels, label_separator=labels[0][2]).names)


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (["a|b", "a", "b"], "1 of 3 classes are others between '|', such as 'a|b'"),
        (["27", "3, 14", "3", "14", "3,14,27"], "2 of 5 classes are others between ',', such as '3, 14'"),
        (["['a' 'b']", "['a']", "['b']"], "3 of 3 classes look like lists that cannot be read"),
        (["[a, b]", "[b]", "other"], "2 of 3 classes look like lists that cannot be read"),
        (["red, dark", "red", "blue"], ""),
        (["a/b", "a", "b"], ""),
    ],
)
def test_classes_that_look_like_several_labels_are_said(tmp_path, labels, line):
    task = load(tmp_path, labels)
    found = [one for one in kind_for(task).describe(task.train, task.names) if "several labels of a text" in one]
    assert (task.kind, len(found)) == ("classification", bool(line))
    assert all(one.startswith(f"warning: {line}") for one in found)


def test_rows_without_a_class_may_be_rows_without_labels(tmp_path):
    with pytest.raises(UserError, match=r"row 4 of the train data has no label.*kind='multilabel' reads several labels"):
        load(tmp_path, ["a|b", "a", "b", ""])
