"""What every kind of task keeps to, and what a column of labels is taken for."""

import json
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from helpers.small_tasks import labels_task, numbers_task, reviews_task, steps_task, train
from helpers.tagged_sentences import tokens_task

from adv import FGM
from finetune import tasks
from finetune.config import Data, KindName, Recipe
from finetune.data.labels import kind_of
from finetune.errors import UserError
from finetune.tasks import KINDS, kind_for
from finetune.tasks.metrics import METRICS, constant_guess, metric_for, part_of
from finetune.tasks.table import Table
from finetune.training.bench import Bench
from finetune.training.keep import keep

TASKS = {
    "tokens": tokens_task,
    "classification": reviews_task,
    "multilabel": labels_task,
    "ordinal": steps_task,
    "regression": numbers_task,
}
FORMS = [
    *(TASKS[kind] for kind in KINDS),
    *(partial(labels_task, "tuned"), partial(steps_task, "classes"), partial(steps_task, "number")),
]


def taken_for(metric=None, **columns):
    told = []
    table = Table({name: list(values) for name, values in columns.items()})
    return kind_of(table, list(columns), Data(task="reviews"), metric, told).name, bool(told)


def test_each_kind_is_the_file_of_its_name():
    assert list(KINDS) == list(get_args(KindName))
    for name, kind in KINDS.items():
        assert (Path(tasks.__path__[0]) / f"{name}.py").is_file()
        assert kind.name == name


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_one_direction_in_all_kinds(name):
    assert {measure.direction for measure in METRICS[name].kinds.values()} == {METRICS[name].direction}
    assert part_of(name) == ""
    assert part_of(f"{name} some target") == "some target"


@pytest.mark.parametrize("name", ["loss", "no metric", "seconds a trial", "", " rmse"])
def test_other_numbers_are_scores_of_no_part(name):
    assert part_of(name) == ""


@pytest.mark.parametrize("make", FORMS)
def test_the_usual_metric_is_one_of_the_kind(make):
    task = make()
    assert metric_for(task) in kind_for(task).measures
    assert kind_for(task).measures.keys() == KINDS[task.kind].measures.keys()


@pytest.mark.parametrize("make", FORMS)
def test_a_guess_scores_every_row_of_the_validation_split(make):
    task = make()
    kind = kind_for(task)
    guess = kind.guess(task)
    each = task.validation.labels.shape[1] if kind.by_word else len(kind.outputs(task.names))
    assert guess.shape[:2] == (len(task.validation), each)
    assert set(kind.measures) <= set(constant_guess(task))
    assert all(kind.describe(task.train, task.names))


# What is scored without a view is scored with one, too: no view at all is tried once.
@pytest.mark.parametrize(("make", "views"), [(FORMS[0], ()), *((make, ("robust", "noisy")) for make in FORMS)])
def test_each_is_trained_with_an_attack_scored_in_every_view_and_saved(make, views, tmp_path):
    task, recipe = make(), Recipe(epochs=2)
    bench = Bench(task, recipe, views)
    training = train(bench, recipe, FGM(epsilon=0.1))
    found = training.history[-1].metrics
    assert {f"{view}{name}" for view in ("", *(f"{view}_" for view in views)) for name in kind_for(task).measures} <= {
        *found
    }
    output = bench.predict(training.model, bench.validation)
    cells = bench.kind.cells(task.names, task.validation.labels, output)
    assert {len(column) for column in cells.values()} == {len(task.validation)}
    assert keep(bench, training.model, tmp_path) == []
    assert json.loads((tmp_path / "config.json").read_text())["id2label"] == {
        str(place): name for place, name in enumerate(bench.kind.outputs(task.names))
    }


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"y": ["good", "bad"]}, ("classification", False)),
        ({"y": ["1", "x"]}, ("classification", False)),
        ({"y": [None, ""]}, ("classification", False)),
        ({"y": [0.0, 1.0]}, ("classification", True)),
        ({"y": ["3", "-1", "1e2"]}, ("classification", True)),
        ({"y": [0.5, 1]}, ("regression", True)),
        ({"y": [1, None, "2.5"]}, ("regression", True)),
        ({"a": [1, 2], "b": [3, 4]}, ("regression", True)),
        ({"a": [0, 1], "b": [0.25, 1]}, ("regression", True)),
        ({"a": ["x", "y"], "b": [0, 1]}, ("regression", True)),
    ],
)
def test_labels_are_taken_for_a_kind(columns, found):
    assert taken_for(**columns) == found
    assert taken_for("qwk", **columns) == found
    assert taken_for("no such metric", **columns) == found


def test_a_metric_of_one_kind_decides():
    assert taken_for("rmse", y=[0, 1]) == ("regression", False)
    assert taken_for("accuracy", y=[0.5, 1]) == ("classification", False)
    assert taken_for("macro_f1", y=[0.5, 1]) == ("classification", False)
    assert taken_for("mae", y=[1, 2]) == ("regression", False)
    assert taken_for("lrap", y=["a", "b"]) == ("multilabel", False)
    with pytest.raises(UserError, match=r"label_column=\['a', 'b'\]: metric='mcc' takes one column of labels"):
        taken_for("mcc", a=[0, 1], b=[1, 0])


@pytest.mark.parametrize("values", [[0, 1], ["True", "false"], ["0.0", "1.0"], [None, 1], ["yes", "no"]])
def test_several_columns_of_yes_and_no_are_several_labels(values):
    assert taken_for(a=values, b=values) == ("multilabel", True)
    assert taken_for("macro_f1", a=values, b=values) == ("multilabel", True)
    assert taken_for("rmse", a=values, b=values) == ("regression", False)


def test_rows_without_labels_have_a_placeholder_that_no_label_has():
    tables = {"train": Table({"y": ["1.5", "2"]}), "test": Table({"x": ["a", "b", "c"]})}
    numbers = KINDS["regression"].read(tables, Data(task="reviews", label_column=("y",)), {"test"})
    assert numbers.splits["train"].tolist() == [[1.5], [2]]
    assert numbers.splits["test"].shape == (3, 1)
    assert np.isnan(numbers.splits["test"]).all()
    classes = KINDS["classification"].read(tables, Data(task="reviews", label_column=("y",)), {"test"})
    assert classes.names == ("1.5", "2")
    assert [labels.tolist() for labels in classes.splits.values()] == [[0, 1], [-1, -1, -1]]


def test_targets_are_standardised_and_come_back_in_their_units():
    kind, labels = KINDS["regression"], np.array([[1.0, 10], [3, 10], [8, 10]], np.float32)
    scale = kind.scale(labels)
    targets = kind.targets(labels, ("a", "b"), scale, None)
    np.testing.assert_allclose(targets[:, 0], (labels[:, 0] - 4) / np.sqrt(26 / 3), rtol=1e-6)
    assert targets[:, 1].tolist() == [0, 0, 0]
    np.testing.assert_allclose(kind.predictions(list(targets), list(targets), scale), labels, rtol=1e-6)
    assert kind.predictions([labels[0]], [targets[0]], None).tolist() == [[1, 10]]
    assert KINDS["classification"].scale(labels) is None
