import random

import datasets
import numpy as np
import pytest
from helpers.small_tasks import rows_with, write_lines

from finetune.config import Data
from finetune.data.load import load_task
from finetune.tasks.classification import classes
from finetune.tasks.table import Table


def load(tmp_path, rows, metric=None, **options):
    return load_task(Data(train_file=write_lines(tmp_path / "rows.jsonl", rows), **options), metric)


def all_rows(task):
    parts = (task.train, task.validation, task.test)
    return [(text, label) for part in parts for text, label in zip(part.texts, part.labels.tolist(), strict=True)]


def test_texts_keep_their_labels(tmp_path):
    labels = ["no", "yes", "perhaps"] * 10
    task = load(tmp_path, rows_with(labels))
    assert (task.kind, task.names, task.name) == ("classification", ("no", "perhaps", "yes"), "rows")
    assert sorted(all_rows(task)) == sorted((f"text {n}", task.names.index(label)) for n, label in enumerate(labels))
    assert task.train.pairs is None


def test_pairs_stay_with_their_texts(tmp_path):
    rows = [{"text": f"text {n}", "other": f"other {n}", "label": n % 2} for n in range(20)]
    task = load(tmp_path, rows, pair_column="other")
    for part in (task.train, task.validation, task.test):
        assert part.pairs == [text.replace("text", "other") for text in part.texts]


def test_other_column_names_and_empty_cells(tmp_path):
    rows = [{"sentence": None if n == 3 else f"s {n}", "target": "ab"[n % 2]} for n in range(20)]
    task = load(tmp_path, rows, text_column="sentence", label_column=("target",))
    texts = [text for text, _ in all_rows(task)]
    assert sorted(texts) == sorted(["", *(f"s {n}" for n in range(20) if n != 3)])


@pytest.mark.parametrize("column", ["score", "several"])
def test_targets(tmp_path, column):
    rows = [{"text": f"text {n}", "a": n / 4, "b": -n} for n in range(20)]
    names = ("a",) if column == "score" else ("b", "a")
    task = load(tmp_path, rows, label_column=names)
    assert (task.kind, task.names) == ("regression", names)
    assert task.train.labels.dtype == np.float32
    assert task.train.labels.shape == (len(task.train), len(names))
    for text, label in all_rows(task):
        n = int(text.split()[1])
        assert label == [{"a": n / 4, "b": -n}[name] for name in names]


@pytest.mark.parametrize(
    ("labels", "metric", "kind"),
    [
        (["a", "b"], None, "classification"),
        ([1, 2], None, "classification"),
        (["1", "2"], "qwk", "classification"),
        ([0.5, 2.0], None, "regression"),
        (["0.5", "2"], None, "regression"),
        (["0.5", "n/a"], None, "classification"),
        ([1, 2], "rmse", "regression"),
        ([1, 2], "pearson", "regression"),
        ([0.5, 2.0], "qwk", "regression"),
        ([0.5, 2.0], "accuracy", "classification"),
        ([1, 2], "unknown", "classification"),
    ],
)
def test_kind_follows_labels_unless_the_metric_decides(tmp_path, labels, metric, kind):
    assert load(tmp_path, rows_with(labels * 10), metric).kind == kind


def test_whole_number_classes_keep_their_order(tmp_path):
    task = load(tmp_path, rows_with([10, 2, -1, 1] * 5))
    assert task.names == ("-1", "1", "2", "10")
    assert load(tmp_path, rows_with(["007", "10", "2"] * 5)).names == ("2", "007", "10")
    assert load(tmp_path, rows_with(["10", "2", "x"] * 5)).names == ("10", "2", "x")


def test_order_of_equal_numbers_does_not_depend_on_the_order_of_a_set():
    names = [form.format(n) for n in range(20) for form in ("0{}", "{}", "{}.0")]
    shuffled = random.Random(0).sample(names, len(names))
    assert classes({"train": Table({"label": shuffled})}, "label") == tuple(
        sorted(names, key=lambda name: (float(name), name))
    )


def test_saved_data_set_with_class_numbers(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"text": [f"t {n}" for n in range(20)], "label": [n % 2 for n in range(20)]}
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features)}).save_to_disk(str(tmp_path / "saved"))
    task = load_task(Data(data=str(tmp_path / "saved")))
    assert (task.kind, task.names, task.name) == ("classification", ("no", "yes"), "saved")


def test_name_of_a_file_called_train_is_its_folder(tmp_path):
    folder = tmp_path / "my data, 2"
    folder.mkdir()
    path = write_lines(folder / "train.jsonl", rows_with(["a", "b"] * 10))
    assert load_task(Data(train_file=path)).name == "my-data-2"
    assert load_task(Data(data=str(folder))).name == "my-data-2"
