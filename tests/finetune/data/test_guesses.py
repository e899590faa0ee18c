"""What kind of labels these are: guessed in one printed line with its override, and right where it matters."""

import json

import datasets
import pandas as pd
import pytest

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError


def task(folder, labels, name="t.csv", column="label", **options):
    """Twelve rows and more with these labels in turn."""
    rows = [{"text": f"film number {n}", column: labels[n % len(labels)]} for n in range(4 * len(labels) + 12)]
    path = folder / name
    if name.endswith(".parquet"):
        pd.DataFrame(rows).to_parquet(path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(f"text,{column}\n" + "".join(f'{row["text"]},"{row[column]}"\n' for row in rows))
    return load_task(Data(train_file=str(path), label_column=(column,), **options))


WHOLE = "whole numbers are read as {} classes; kind='regression' takes them as numbers"
FRACTIONS = "fractions are read as numbers; kind='classification' takes them as classes"


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0.0, 1.0], ("0", "1")),
        ([1.0, 2.0, 3.0, 4.0, 5.0], ("1", "2", "3", "4", "5")),
        ([-1, 1], ("-1", "1")),
        ([10, 9, 100], ("9", "10", "100")),
        ([0, 1], ("0", "1")),
    ],
)
def test_whole_numbers_are_classes_however_they_are_written(tmp_path, labels, classes, name):
    found = task(tmp_path, labels, name)
    assert (found.kind, found.names) == ("classification", classes)
    assert f"label_column='label': {WHOLE.format(len(classes))}" in found.notes
    numbers = task(tmp_path, labels, name, kind="regression")
    assert (numbers.kind, numbers.names) == ("regression", ("label",))
    assert sorted(set(numbers.train.labels[:, 0].tolist())) == sorted(map(float, labels))
    assert not any("kind=" in note for note in numbers.notes)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize("labels", [[0.5, 1.0], [1, 1.5, 2], [-0.25, 0.75, 3], [1e-3, 2e-3]])
def test_fractions_are_numbers_unless_asked_for(tmp_path, labels, name):
    found = task(tmp_path, labels, name)
    assert found.kind == "regression"
    assert f"label_column='label': {FRACTIONS}" in found.notes
    assert task(tmp_path, labels, name, kind="classification").kind == "classification"


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["007", "7"], ("007", "7")),
        (["True", "False"], ("False", "True")),
        (["1_000", "2"], ("1_000", "2")),
        (["yes", "1"], ("1", "yes")),
        (["NA", "null"], ("NA", "null")),
    ],
)
def test_words_are_classes_as_they_stand(tmp_path, labels, classes):
    found = task(tmp_path, labels)
    assert found.kind == "classification"
    assert sorted(found.names) == sorted(classes)


@pytest.mark.parametrize("missing", ["nan", "NaN", "", " "])
def test_a_missing_label_is_said_whatever_the_others_are(tmp_path, missing):
    with pytest.raises(UserError, match=r"row 3 of the train data has no label \(line 4 of t.csv\)"):
        task(tmp_path, ["1.0", "0.0", missing])


def test_one_class_is_written_in_one_way_in_all_splits(tmp_path):
    text = "text,label\n" + "".join(f"film {n},{n % 2}\n" for n in range(20))
    for name, content in (("train", text), ("dev", text.replace(",0\n", ",0.0\n").replace(",1\n", ",1.0\n"))):
        (tmp_path / f"{name}.csv").write_text(content)
    found = load_task(Data(data=str(tmp_path)))
    assert found.names == ("0", "1")
    assert found.validation.labels.tolist() == [n % 2 for n in range(20)]


def test_class_names_of_a_data_set_stay_in_its_order(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg", "none"])}
    )
    rows = {"text": [f"film {n}" for n in range(20)], "label": [n % 3 for n in range(20)]}
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features)}).save_to_disk(str(tmp_path / "set"))
    assert load_task(Data(data=str(tmp_path / "set"))).names == ("pos", "neg", "none")


@pytest.mark.parametrize("values", [("0", "1"), ("0.0", "1.0"), ("True", "False")])
def test_columns_of_yes_and_no_are_several_labels_of_one_text(tmp_path, values):
    path = tmp_path / "t.csv"
    path.write_text(
        "text,a,b,c\n" + "".join(f"film {n},{values[n % 2]},{values[n % 3 == 0]},{values[0]}\n" for n in range(20))
    )
    found = load_task(Data(train_file=str(path), label_column=("a", "b", "c")))
    assert (found.kind, found.names) == ("multilabel", ("a", "b", "c"))
    assert "read as 3 labels of one text, each there (1) or not (0); kind='regression' takes" in found.notes[0]
    assert load_task(Data(train_file=str(path), label_column=("a",))).kind == "classification"


@pytest.mark.parametrize("labels", [["3,5", "4,0"], ["1,25", "2"]])
def test_decimal_commas_are_points(tmp_path, labels):
    found = task(tmp_path, labels)
    assert found.kind == "regression"
    assert any("decimal commas are read as points" in note for note in found.notes)
    assert sorted(set(found.train.labels[:, 0].tolist())) == sorted(float(label.replace(",", ".")) for label in labels)


@pytest.mark.parametrize("labels", [["3,5", "4,0"], ["1,25", "2"]])
def test_decimal_commas_of_classes_stay(tmp_path, labels):
    found = task(tmp_path, labels, kind="classification")
    assert sorted(found.names) == sorted(labels)
    assert not any("decimal commas" in note for note in found.notes)
