"""Which file is which split: by its name, said, and settled by the options; what is left out is named."""

import pytest

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError

HEAD = "text\tlabel\n"


def rows(word, count=20, label=None):
    labels = ("bad", "good") if label is None else (label, label)
    return HEAD + "".join(f"{word} film {n}\t{labels[n % 2]}\n" for n in range(count))


def loaded(folder, files, **options):
    for name, content in files.items():
        (folder / name).write_text(content)
    return load_task(Data(data=str(folder), **options))


@pytest.mark.parametrize(
    "name",
    [
        "dev_matched.tsv",
        "valid_v2.tsv",
        "Valid.tsv",
        "eval.tsv",
        "development.tsv",
        "my-val.tsv",
        "VALIDATION.tsv",
        "dev.tsv",
    ],
)
def test_a_file_that_is_clearly_the_validation_split_is_it(tmp_path, name):
    task = loaded(tmp_path, {"train.tsv": rows("one"), name: rows("two", 30)})
    assert len(task.validation) == 30
    exact = name.lower() in ("valid.tsv", "validation.tsv", "dev.tsv")
    said = f"{name} is the validation split, by its name; validation_file takes another"
    assert (said in task.notes) is not exact


def test_the_matched_half_is_taken_and_the_other_named(tmp_path):
    files = {"train.tsv": rows("a"), "dev_matched.tsv": rows("b", 30), "dev_mismatched.tsv": rows("c", 40)}
    task = loaded(tmp_path, files)
    assert len(task.validation) == 30
    assert "dev_mismatched.tsv looks like a split and is not used; validation_file takes another" in task.notes
    other = loaded(tmp_path, files, validation_file="dev_mismatched.tsv")
    assert len(other.validation) == 40


@pytest.mark.parametrize("names", [("val_a.tsv", "val_b.tsv"), ("eval.tsv", "dev_2.tsv")])
def test_two_that_may_be_it_are_refused_until_one_is_named(tmp_path, names):
    files = {"train.tsv": rows("a"), names[0]: rows("b", 30), names[1]: rows("c", 40)}
    with pytest.raises(UserError, match="may be the validation split; choose one with validation_file"):
        loaded(tmp_path, files)
    assert len(loaded(tmp_path, files, validation_file=names[1]).validation) == 40


@pytest.mark.parametrize("name", ["sample_submission.tsv", "notes.csv", "labels.json", "protest.tsv", "device.tsv"])
def test_what_looks_like_no_split_is_left_alone(tmp_path, name):
    task = loaded(tmp_path, {"train.tsv": rows("a"), name: rows("b", 30)})
    assert not any(name in note for note in task.notes)
    assert len(task.train) + len(task.validation) + len(task.test) == 20


def test_what_is_cut_from_train_is_said(tmp_path):
    task = loaded(tmp_path, {"train.tsv": rows("a", 100)})
    said = "15 of the 100 train rows are put aside for validation and as many for test; validation_file and test_file take"
    assert any(note.startswith(said) for note in task.notes)
    assert (len(task.train), len(task.validation), len(task.test)) == (70, 15, 15)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id\ttext\n" + "".join(f"{n}\tnew {n}\n" for n in range(5)), "has no column 'label'"),
        (rows("new", 5, ""), "has nothing in column 'label'"),
        (rows("new", 5, "-1"), "has '-1' for every label"),
        (rows("new", 5, "?"), "has '?' for every label"),
        (rows("new", 5, "TBD"), "has 'TBD' for every label"),
        (rows("new", 5, "NaN"), "has nothing in column 'label'"),
    ],
)
def test_a_test_file_without_labels_is_kept_and_not_scored(tmp_path, content, said):
    task = loaded(tmp_path, {"train.tsv": rows("a", 40), "test.tsv": content})
    assert f"test.tsv {said}: it is kept for prediction and not scored; test_file takes another" in task.notes
    assert not task.test.labelled
    assert task.test.texts[0].startswith("new")
    assert task.names == ("bad", "good")


def test_one_class_of_train_in_all_rows_is_no_placeholder(tmp_path):
    files = {"train.tsv": rows("a", 40).replace("bad", "-1").replace("good", "1"), "test.tsv": rows("new", 5, "-1")}
    task = loaded(tmp_path, files)
    assert task.test.labelled
    assert task.test.labels.tolist() == [0] * 5


def test_one_row_of_an_unknown_class_is_a_mistake_and_no_placeholder(tmp_path):
    with pytest.raises(UserError, match="the test data has a class that the train data does not have: 'TBD'"):
        loaded(tmp_path, {"train.tsv": rows("a", 40), "test.tsv": rows("new", 1, "TBD")})


def test_a_test_file_with_some_labels_missing_is_refused_with_its_line(tmp_path):
    content = rows("new", 6).replace("new film 4\tbad", "new film 4\t")
    with pytest.raises(UserError, match=r"row 5 of the test data has no label \(line 6 of test.tsv\)"):
        loaded(tmp_path, {"train.tsv": rows("a"), "test.tsv": content})


def test_fewer_validation_rows_are_the_same_ones_every_time(tmp_path):
    files = {"train.tsv": rows("a", 40), "dev.tsv": rows("b", 60)}
    first = loaded(tmp_path, files, max_validation_rows=10)
    assert sorted(first.validation.labels.tolist()) == [0] * 5 + [1] * 5
    assert first.validation.texts == loaded(tmp_path, files, max_validation_rows=10).validation.texts
    assert len(first.train) == len(loaded(tmp_path, files).train)
