"""Classes with an order: where the order comes from, the three forms, their scores and their saved models."""

import json

import datasets
import numpy as np
import pytest
import torch
import transformers
from helpers.small_tasks import reviews_task, rows_with, steps_task, train, write_lines
from sklearn import metrics

from adv import FGM
from finetune.config import Data, Recipe, checked
from finetune.data.load import load_task
from finetune.data.parts import split
from finetune.errors import UserError
from finetune.tasks import KINDS, kind_for
from finetune.tasks.metrics import METRICS, constant_guess, evaluate
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.keep import keep

FORMS = ("", "classes", "number")
# Of five classes, predicted as 0, 2, 2, 4, 4.
LABELS, PREDICTED = np.array([0, 1, 2, 3, 4]), np.array([0, 2, 2, 4, 4])
NAMES = ("1", "2", "3", "4", "5")
OUTPUTS = {
    "": np.array([[-1, -2, -3, -4], [1, 2, -1, -1], [2, 1, -3, -1], [1, 1, 1, 1], [3, 0.1, 2, 2]]),
    "classes": np.eye(5)[PREDICTED],
    "number": np.array([[-0.7], [1.6], [2.4], [3.51], [9]]),
}


def task_of(form, names=NAMES, train=LABELS, validation=LABELS):
    parts = [Rows(["x"] * len(labels), None, np.array(labels)) for labels in (train, validation, validation)]
    return Task("made", "ordinal", names, *parts, form=form)


def read(tmp_path, labels, validation=None, **data):
    rows = rows_with([labels[n % len(labels)] for n in range(40)])
    files = {"train_file": write_lines(tmp_path / "t.jsonl", rows)}
    if validation is not None:
        files["validation_file"] = write_lines(tmp_path / "v.jsonl", rows_with(validation))
    return load_task(Data(**files | {"kind": "ordinal"} | data))


@pytest.mark.parametrize("form", FORMS)
def test_predictions_are_the_counted_highest_or_nearest_class(form):
    kind = kind_for(task_of(form))
    assert kind.ranks(OUTPUTS[form]).tolist() == PREDICTED.tolist()
    assert kind.ranks(kind.ranked(LABELS, NAMES)).tolist() == LABELS.tolist()
    assert kind.cells(NAMES, LABELS, OUTPUTS[form])["predicted"] == ["1", "3", "3", "5", "5"]


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_those_of_scikit_learn_on_ranks(form):
    found = evaluate(task_of(form), LABELS, OUTPUTS[form].astype(np.float32))
    assert found == pytest.approx(
        {
            "qwk": metrics.cohen_kappa_score(LABELS, PREDICTED, weights="quadratic", labels=range(5)),
            "accuracy": 3 / 5,
            "macro_f1": metrics.f1_score(LABELS, PREDICTED, average="macro", zero_division=0.0),
            "mae": (0 + 1 + 0 + 1 + 0) / 5,
        }
    )
    assert METRICS["mae"].direction == "minimize"


def test_what_the_loss_takes_in_each_form():
    labels = np.array([0, 2, 1])
    forms = {form: kind_for(task_of(form, NAMES[:3])) for form in FORMS}
    assert forms[""].targets(labels, NAMES[:3], None, None).tolist() == [[0, 0], [1, 1], [1, 0]]
    assert forms["classes"].targets(labels, NAMES[:3], None, None).tolist() == [0, 2, 1]
    scale = forms["number"].scale(labels)
    np.testing.assert_allclose(
        forms["number"].targets(labels, NAMES[:3], scale, None)[:, 0], [-1.2247, 1.2247, 0], atol=1e-4
    )
    assert [kind.problem for kind in forms.values()] == [
        "multi_label_classification",
        "single_label_classification",
        "regression",
    ]


@pytest.mark.parametrize(
    ("labels", "data", "names", "line"),
    [
        (
            [1, 2, 4, 5],
            {},
            ("1", "2", "3", "4", "5"),
            "no row has 3: kept as a step of the scale; label_order=['1', '2', '4'",
        ),
        ([1, 2, 4, 5], {"label_order": ("1", "2", "4", "5")}, ("1", "2", "4", "5"), "1 < 2 < 4 < 5, trained as cumulative"),
        (["2.0", "10.0", "1.0"], {"label_order": ("1", "2", "10")}, ("1", "2", "10"), "ordinal_as takes classes or number"),
        (["5.0", "4", "+3"], {}, ("3", "4", "5"), "3 < 4 < 5"),
        ([3, 1, 2], {"label_order": ("3", "2", "1")}, ("3", "2", "1"), "3 < 2 < 1"),
        ([3, 1, 2], {"label_order": ("3.0", "2.0", "1.0")}, ("3", "2", "1"), "3 < 2 < 1"),
        ([0, 10, 1000], {}, ("0", "10", "1000"), "0 < 10 < 1000"),
        ([1.0, 1.5, 2.5], {}, ("1", "1.5", "2", "2.5"), "no row has 2: kept"),
        (["1", "1.0", "1.5", "2.50"], {"label_order": ("2.5", "1.50", "1")}, ("2.5", "1.5", "1"), "2.5 < 1.5 < 1"),
        (["3,5", "4,0", "4"], {}, ("3.5", "4"), "decimal commas are read as points"),
        ([-1, 0, 1], {}, ("-1", "0", "1"), "-1 < 0 < 1"),
        (["ok", "bad", "good"], {"label_order": ("bad", "ok", "good")}, ("bad", "ok", "good"), "bad < ok < good"),
        ([" bad ", "good"], {"label_order": ("bad", " good ")}, ("bad", "good"), "bad < good"),
        (["bad", "good"], {"label_order": ("awful", "bad", "good")}, ("awful", "bad", "good"), "awful < bad < good"),
        ([0, 1], {"ordinal_as": "number"}, ("0", "1"), "trained as the number of the class in its order, rounded"),
        ([0, 1], {"ordinal_as": "classes", "kind": None}, ("0", "1"), "trained as plain classes"),
    ],
)
def test_the_order_is_the_user_s_or_that_of_numbers(tmp_path, labels, data, names, line):
    task = read(tmp_path, labels, **data)
    assert (task.kind, task.names) == ("ordinal", names)
    assert task.form == {"number": "number", "classes": "classes"}.get(data.get("ordinal_as"), "")
    assert line in " ".join(map(str, task.notes))
    rows = [names[label] for label in task.train.labels]
    plain = {str(label).strip().replace(",", ".") for label in labels}
    assert {float(row) if row[-1].isdigit() else row for row in rows} == {
        float(label) if label[-1].isdigit() else label for label in plain
    }


def test_a_step_that_only_validation_has_can_be_scored(tmp_path):
    task = read(tmp_path, [1, 2, 4], [3, 1])
    assert task.names == ("1", "2", "3", "4")
    assert task.validation.labels.tolist() == [2, 0]
    assert "3 is between the classes of train, but no train row has it" in task.notes[0]
    assert "no train row has the class '3'" in " ".join(kind_for(task).describe(task.train, task.names))


def test_a_data_set_s_own_names_have_its_order(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["low", "mid", "high"])}
    )
    rows = {"text": [f"film {n}" for n in range(20)], "label": [2 * (n % 2) for n in range(20)]}
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features)}).save_to_disk(str(tmp_path / "set"))
    assert load_task(Data(data=str(tmp_path / "set"), kind="ordinal")).names == ("low", "mid", "high")


@pytest.mark.parametrize(
    ("labels", "data", "reason"),
    [
        (
            ["bad", "ok"],
            {},
            r"words have no order of their own \('bad', 'ok'\); give it, lowest first, which this need not be: label_order=",
        ),
        (["bad", "ok", "x"], {"label_order": ("bad", "ok")}, "a class that label_order does not have: 'x', in row 3"),
        ([1, None], {}, "row 2 of the train data has no label"),
        ([2], {}, r"there is only one class \('2'\)"),
        ([n / 7 for n in range(40)], {}, "40 numbers in 40 rows are no classes; make a column with the steps that you need"),
        (list(range(40)), {}, "40 numbers in 40 rows are no classes"),
        ([[1], [2]], {}, "not a single value"),
        ([1, 2], {"validation": [1, 3]}, "the validation data has a class that the train data does not have: '3', in row 2"),
        (
            [1, 2],
            {"kind": "regression", "ordinal_as": "classes"},
            "ordinal_as='classes' is for kind='ordinal', and these labels",
        ),
        ([1, 2], {"label_column": ("label", "text2")}, "no such column"),
    ],
)
def test_what_has_no_order_is_refused(tmp_path, labels, data, reason):
    with pytest.raises(UserError, match=reason):
        read(tmp_path, labels, **data)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("label_order", ("a", "a"), "it names a class twice"),
        ("label_order", ("a",), "at least 2 items"),
        ("ordinal_as", "clases", "did you mean 'classes'"),
        ("kind", "ordnal", "did you mean 'ordinal'"),
        ("kind", "multi-label", "did you mean 'multilabel'"),
    ],
)
def test_options_are_checked(name, value, reason):
    with pytest.raises(UserError, match=reason):
        checked(Data, {"task": "reviews", name: value})


@pytest.mark.parametrize("form", FORMS)
def test_the_constant_guess_is_the_middle_or_the_most_frequent_class(form):
    found = constant_guess(task_of(form, train=[0, 0, 0, 2, 3, 4, 4], validation=[0, 0, 1, 4]))
    assert found["accuracy"] == 2 / 4
    assert found["mae"] == (0 + 0 + 1 + 4) / 4
    assert found["qwk"] == 0
    assert constant_guess(task_of(form, train=[0, 0, 2, 3, 4], validation=[2, 3]))["mae"] == 0.5


def test_rows_are_spread_over_splits_by_class(tmp_path):
    task = read(tmp_path, [1, 1, 1, 2, 3], max_train_rows=10)
    assert np.bincount(task.train.labels).tolist() == [6, 2, 2]


def test_a_class_with_one_row_joins_its_neighbour_when_rows_are_spread():
    labels = np.array([0, 1, 1, 1, 2, 2, 4])
    assert KINDS["ordinal"].strata(labels).tolist() == [1, 1, 1, 1, 2, 2, 2]
    assert KINDS["ordinal"].strata(np.array([0, 1])).tolist() in ([0, 0], [1, 1], [1, 0])
    many = np.array([0, *[1] * 40, *[2] * 20, *[3] * 20])
    _, out = split(Rows([str(n) for n in range(81)], None, many), "ordinal", 20)
    assert np.abs(np.bincount(out.labels, minlength=4)[1:] - [10, 5, 5]).max() <= 1


@pytest.mark.parametrize("form", FORMS)
def test_plain_transformers_and_the_readme_give_the_same_classes(form, tmp_path):
    task, recipe = steps_task(form), Recipe(epochs=6)
    bench = Bench(task, recipe)
    training = train(bench, recipe, FGM(epsilon=0.1))
    assert training.history[-1].metrics["qwk"] > 0.2
    assert keep(bench, training.model, tmp_path) == []
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    with torch.no_grad():
        logits = model(**tokenizer(task.test.texts, padding=True, return_tensors="pt")).logits
    config = json.loads((tmp_path / "config.json").read_text())
    if form == "classes":
        found = [config["id2label"][str(int(row.argmax()))] for row in logits]
    else:
        (code,) = [
            line.strip("`.") for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith("`config")
        ]
        found = [eval(code, {"config": model.config, "logits": logits, "i": i}) for i in range(len(logits))]
    expected = bench.kind.ranks(bench.predict(training.model, bench.encode(task.test)))
    assert found == [task.names[rank] for rank in expected]


def test_pairs_have_an_order_too():
    task = steps_task()
    rows = Rows(task.train.texts, task.train.texts[::-1], task.train.labels)
    both, recipe = Task("pairs", "ordinal", task.names, rows, rows, rows), Recipe(epochs=1)
    assert "qwk" in train(Bench(both, recipe), recipe, FGM()).history[0].metrics
    assert KINDS["ordinal"].usual(task.names) == "qwk"
    assert reviews_task().form == ""
