"""Guesses that are not made: a thousand is no decimal, a name of two splits is neither, -1 may be a label."""

import pytest

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError


def loaded(folder, **labels):
    for name, values in labels.items():
        lines = [f'{name} film {n},"{value}"\n' for n, value in enumerate(values)]
        (folder / f"{name}.csv").write_text("text,label\n" + "".join(lines))
    return load_task(Data(data=str(folder)))


@pytest.mark.parametrize("labels", [["1,000", "2,500"], ["1,000", "2"], ["-1,000", "+3,125"]])
def test_a_thousand_with_a_comma_is_a_name(tmp_path, labels):
    task = loaded(tmp_path, train=labels * 10)
    assert (task.kind, sorted(task.names)) == ("classification", sorted(labels))
    assert not any("decimal" in note for note in task.notes)


@pytest.mark.parametrize("name", ["train_dev", "dev-test", "trainTest", "test_validation", "val2train"])
def test_a_name_of_two_splits_is_neither(tmp_path, name):
    task = loaded(tmp_path, train=["a", "b"] * 10, **{name: ["a", "b"] * 15})
    assert len(task.train) + len(task.validation) + len(task.test) == 20


@pytest.mark.parametrize(("labels", "labelled"), [(["-1"] * 3, False), (["?"] * 3, False), (["0.5"] * 3, True)])
def test_placeholders_of_a_test_file_of_numbers(tmp_path, labels, labelled):
    task = loaded(tmp_path, train=["0.5", "1.25", "2.75"] * 7, test=labels)
    assert (task.kind, task.test.labelled) == ("regression", labelled)


@pytest.mark.parametrize("known", [["-1", "0.5"], ["-1.0", "0.5"]])
def test_what_train_has_too_is_no_placeholder(tmp_path, known):
    task = loaded(tmp_path, train=known * 10, test=["-1"] * 3)
    assert task.test.labels[:, 0].tolist() == [-1.0] * 3


@pytest.mark.parametrize("labels", [["01.0", "1"], ["+007", "7"], ["-00", "0"]])
def test_zeros_in_front_keep_a_name(tmp_path, labels):
    assert len(loaded(tmp_path, train=labels * 10).names) == 2


@pytest.mark.parametrize(("count", "refused"), [(20, False), (21, True)])
@pytest.mark.parametrize("word", ["{}", "{}.0", "word {}"])
def test_more_classes_than_half_of_the_rows_are_another_column(tmp_path, count, refused, word):
    labels = [word.format(n % count) for n in range(40)]
    if not refused:
        assert len(loaded(tmp_path, train=labels, dev=labels, test=labels).names) == 20
        return
    with pytest.raises(UserError, match="21 classes in 40 rows; choose another column, or kind='regression'"):
        loaded(tmp_path, train=labels, dev=labels, test=labels)
