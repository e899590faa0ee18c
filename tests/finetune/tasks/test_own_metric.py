"""A metric that is a function in a file of the user."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.small_tasks import labels_task, numbers_task, reviews_task, steps_task
from scipy.special import expit, softmax

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.own_name import is_own, short_name
from finetune.tasks import kind_for, measures_for
from finetune.tasks.metrics import constant_guess, direction_of, evaluate, metrics_for, named, viewed
from finetune.tasks.own_metric import KNOWN, OwnFault, read_again, read_own, record_of

SEEN = """
seen = []
def look(labels, predictions{more}):
    seen.append([labels, predictions{more}])
    return 1.5
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    KNOWN.clear()
    yield
    KNOWN.clear()


def own(code, asked="mine.py:cost"):
    Path("mine.py").write_text(code)
    return read_own(asked)


def seen_by(task, output, more=""):
    """What a function gets for these predictions."""
    read = own(SEEN.format(more=more), "mine.py:look")
    score = read.measure(kind_for(task), task.names).score
    assert score(task.validation.labels[: len(output)], output) == 1.5
    return read.call.__globals__["seen"][-1]


def test_classes_are_given_as_numbers_and_probabilities():
    logits = np.array([[1.0, 2], [3, -1]], np.float32)
    labels, predictions, names = seen_by(reviews_task(), logits, ", names")
    assert labels.tolist() == reviews_task().validation.labels[:2].tolist()
    np.testing.assert_allclose(predictions, softmax(logits.astype(float), 1))
    assert names == reviews_task().names


@pytest.mark.parametrize(
    ("form", "output"), [("", [[1, -1], [1, 1]]), ("classes", [[0, 1, 0], [0, 0, 1]]), ("number", [[0.8], [9]])]
)
def test_classes_with_an_order_are_given_as_their_numbers(form, output):
    assert seen_by(steps_task(form), np.array(output, np.float64))[1].tolist() == [1, 2]


def test_labels_are_given_as_zeros_and_ones_with_probabilities_and_thresholds():
    output = np.array([[1.0, -2, 0], [0, 3, 1]])
    labels, predictions, thresholds = seen_by(labels_task(), output, ", thresholds")
    assert labels.dtype == int
    np.testing.assert_allclose(predictions, expit(output))
    assert thresholds.tolist() == [0.5, 0.5, 0.5]
    both = kind_for(labels_task("tuned")).settled(output, np.array([0, 1.0, -1]))
    labels, predictions, thresholds = seen_by(labels_task("tuned"), both, ", thresholds")
    np.testing.assert_allclose(predictions, expit(output))
    np.testing.assert_allclose(thresholds, expit([0, 1, -1]))


@pytest.mark.parametrize(("targets", "shape"), [(1, (3,)), (2, (3, 2))])
def test_one_target_is_a_column_and_several_are_a_table(targets, shape):
    task = numbers_task(targets)
    assert [array.shape for array in seen_by(task, task.validation.labels[:3])] == [shape, shape]


@pytest.mark.parametrize(
    ("code", "asked", "direction", "said"),
    [
        ("def cost(a, b): return 1", "mine.py:cost", "maximize", "more is better"),
        ("def cost(a, b): return 1", "mine.py:cost:minimize", "minimize", ""),
        ("def cost(a, b): return 1\ncost.direction = 'minimize'", "mine.py:cost", "minimize", ""),
        ("def cost(a, b): return 1\ncost.direction = 'minimize'", "mine.py:cost:maximize", "maximize", ""),
        ("from beside import cost", "mine.py:cost:minimize", "minimize", ""),
        (
            "class Cost:\n def __call__(self, y, p, *, names=()): return 1\ncost = Cost()",
            "./mine.py:cost",
            "maximize",
            "more is",
        ),
    ],
)
def test_the_direction_is_the_suffix_the_attribute_or_more_is_better(code, asked, direction, said):
    Path("beside.py").write_text("def cost(labels, predictions): return 1")
    read = own(code, asked)
    assert (read.name, read.direction, direction_of("mine.py:cost")) == ("mine.py:cost", direction, direction)
    assert said in read.said
    assert bool(read.said) == bool(said)
    assert sorted(path.name for path in Path().iterdir()) == ["beside.py", "mine.py"]


@pytest.mark.parametrize(
    ("code", "asked", "reason"),
    [
        ("", "mine.py", "write my_file.py:function"),
        ("", "mine.py:cost:min", "write my_file.py:function, or my_file.py:function:minimize"),
        ("", "other.py:cost", "there is no file other.py"),
        ("def costs(a, b): pass", "mine.py:cost", "mine.py has no function 'cost'; did you mean 'costs'"),
        ("cost = 3", "mine.py:cost", "mine.py has no function 'cost'"),
        ("import nothing_of_that_name", "mine.py:cost", "mine.py cannot be run: ModuleNotFoundError: No module named"),
        ("def cost(:", "mine.py:cost", "mine.py cannot be run: SyntaxError"),
        ("raise SystemExit(3)", "mine.py:cost", "mine.py cannot be run: SystemExit"),
        ("def cost(labels): pass", "mine.py:cost", r"it takes \(labels\); it is called with labels and predictions"),
        ("def cost(a, b, c): pass", "mine.py:cost", r"it takes \(a, b, c\); .* may name names or thresholds"),
        ("def cost(): pass", "mine.py:cost", "it takes nothing; it is called with"),
        (
            "def cost(a, b): pass\ncost.direction = 'up'",
            "mine.py:cost",
            "direction is 'up'; write cost.direction = 'minimize'",
        ),
        ("def cost(a, b): pass", "robust_mine.py:cost", "there is no file"),
    ],
)
def test_what_cannot_be_called_is_refused(code, asked, reason):
    with pytest.raises(UserError, match=reason):
        own(code, asked)
    assert not KNOWN


def test_a_file_named_like_a_view_is_refused():
    Path("robust_mine.py").write_text("def cost(a, b): return 1")
    with pytest.raises(UserError, match="names that begin with robust_ are metrics in a view; rename the file"):
        read_own("robust_mine.py:cost")
    assert viewed(own("def cost(a, b): return 1").name) == ("", "mine.py:cost")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 'high'", "gave 'high', not a number"),
        ("return None", "gave 'None', not a number"),
        ("return predictions", "gave .*, not a number"),
        ("return True", "gave 'True', not a number"),
        ("return float('nan')", "gave nan, which is not finite"),
        ("return 1 / 0", r"raised ZeroDivisionError: division by zero, for labels \(64,\) and predictions \(64, 2\)"),
        ("return predictions[0, 7]", r"raised IndexError.*these are probabilities: predictions.argmax\(1\) has the classes"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
    ],
)
def test_it_is_tried_before_anything_is_trained(body, reason):
    Path("mine.py").write_text(f"def cost(labels, predictions): {body}")
    asked = ",".join(named("mine.py:cost"))
    task = load_task(Data(task="reviews", max_train_rows=40), asked)
    with pytest.raises(UserError, match="mine.py:cost'?, tried on 64 rows: metric mine.py:cost " + reason):
        metrics_for(task, "mine.py:cost")


@pytest.mark.parametrize(
    "body",
    [
        "labels[:] = 0; predictions[:] = 9",
        "labels.sort(); predictions -= predictions.max(1, keepdims=True)",
        "np.clip(predictions, 0.5, 1, out=predictions)",
    ],
)
@pytest.mark.parametrize("task", [reviews_task, numbers_task, labels_task])
def test_what_a_function_changes_stays_with_it(task, body):
    made = task()
    labels, output = made.validation.labels.copy(), kind_for(made).guess(made)
    given, body = output.copy(), body if task is not numbers_task else "labels[:] = 0; predictions.sort()"
    read = own(f"import numpy as np\ndef cost(labels, predictions):\n    {body}\n    return 1.0\n")
    assert read.measure(kind_for(made), made.names).score(made.validation.labels, output) == 1.0
    np.testing.assert_array_equal(made.validation.labels, labels)
    np.testing.assert_array_equal(output, given)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (
            "",
            "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 2\n",
        ),
        ("N = 2", "def A():\n    from beside_it import N\n    return type('B', (), {'x': N})\n"),
        ("N = 2", "from beside_it import N\nA = lambda: type('B', (), {'x': N})\n"),
    ],
)
def test_what_authors_write_runs_in_any_folder(tmp_path, monkeypatch, more, code):
    (tmp_path / "beside_it.py").write_text(more)
    (tmp_path / "mine.py").write_text(f"{code}def cost(labels, predictions):\n    return A().x\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delitem(sys.modules, "beside_it", raising=False)
    made = reviews_task()
    assert read_own("../mine.py:cost").measure(kind_for(made), made.names).score(np.zeros(2), np.zeros((2, 2))) == 2
    monkeypatch.delitem(sys.modules, "beside_it", raising=False)


@pytest.mark.parametrize(
    "takes", ["predictions, labels", "y_pred, y_true", "preds, target", "yhat, gold_labels", "outputs, references"]
)
def test_predictions_before_labels_are_refused(takes):
    with pytest.raises(UserError, match="it is called with labels first, then predictions"):
        own(f"def cost({takes}):\n    return 1.0\n")


def test_a_value_that_changes_for_the_same_rows_is_refused():
    Path("mine.py").write_text("import itertools\nn = itertools.count()\ndef cost(labels, predictions): return next(n)")
    task = load_task(Data(task="reviews", max_train_rows=40), ",".join(named("mine.py:cost")))
    with pytest.raises(UserError, match=r"mine.py:cost'?: it gave 0 and 1 for the same 64 rows; .* give its random numbers"):
        metrics_for(task, "mine.py:cost")


def test_thresholds_are_only_there_where_labels_have_some():
    read = own("def cost(a, b, thresholds): return 1")
    with pytest.raises(OwnFault, match="asks for thresholds, which classification does not have"):
        read.measure(kind_for(reviews_task()), ("bad", "good")).score(np.array([0]), np.zeros((1, 2)))


def test_it_is_measured_beside_the_others():
    Path("mine.py").write_text("import numpy as np\ndef cost(labels, p): return np.float32((labels == p.argmax(1)).mean())")
    asked = ",".join(named("accuracy,mine.py:cost"))
    task = load_task(Data(task="reviews", max_train_rows=40), asked)
    assert "more is better" in task.notes[-1]
    assert metrics_for(task, "accuracy,mine.py:cost") == ["accuracy", "mine.py:cost"]
    found = evaluate(task, np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]])
    assert found["mine.py:cost"] == pytest.approx(found["accuracy"]) == pytest.approx(2 / 3)
    guess = constant_guess(task, ("robust",))
    assert guess["mine.py:cost"] == guess["robust_mine.py:cost"] == pytest.approx(guess["accuracy"])
    assert "mine.py:cost" in measures_for(task)
    assert "mine.py:cost" not in measures_for(load_task(Data(task="reviews"), "accuracy"))


def test_a_fault_is_an_error_and_a_guess_without_a_value_counts_as_0():
    read = own("import math\ndef cost(labels, p): return math.sqrt(-1) if len(set(map(tuple, p))) == 1 else 2")
    task = load_task(Data(task="reviews", max_train_rows=40), read.name)
    assert constant_guess(task)["mine.py:cost"] == 0
    with pytest.raises(OwnFault, match="raised ValueError: math domain error"):
        evaluate(task, np.array([0, 1]), np.zeros((2, 2)))


def test_a_study_s_function_is_read_again_only_from_the_same_file():
    about = record_of(own("def cost(a, b): return 1", "mine.py:cost:minimize").name, "accuracy", None)
    assert about["metric file"] == {"mine.py:cost": f"{Path('mine.py').resolve()}:cost:minimize"}
    KNOWN.clear()
    read_again(about, "study 'x'")
    Path("mine.py").write_text("def cost(a, b): return 2")
    with pytest.raises(UserError, match=r"study 'x': mine\.py has changed since it began"):
        read_again(about, "study 'x'")
    Path("mine.py").unlink()
    with pytest.raises(UserError, match="there is no file"):
        read_again(about, "study 'x'")
    read_again({}, "study 'y'")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("a/b c.py:f", "b c.py:f"),
        ("~/x.py:f:minimize", "x.py:f"),
        ("C:\\m\\x.py:f", "C:\\m\\x.py:f".rpartition("/")[2]),
        ("x.py:f:max", "x.py:f:max"),
        ("accuracy", "accuracy"),
    ],
)
def test_a_name_is_file_and_function(asked, name):
    assert short_name(asked) == name
    assert is_own(asked) == (asked != "accuracy")
