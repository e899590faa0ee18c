"""Several labels of one text: what their tables look like, their scores, their thresholds and their splits."""

import numpy as np
import pytest
from helpers.small_tasks import labels_task, train, write_lines
from scipy.special import expit
from sklearn import metrics

from adv import FGM
from finetune.config import Data, Recipe, checked
from finetune.data.load import load_task
from finetune.data.parts import split
from finetune.errors import UserError
from finetune.tasks import KINDS, kind_for
from finetune.tasks.metrics import METRICS, evaluate
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench

SCORES = {
    "macro_f1": lambda y, p: metrics.f1_score(y, p > 0.5, average="macro", zero_division=0.0),
    "micro_f1": lambda y, p: metrics.f1_score(y, p > 0.5, average="micro", zero_division=0.0),
    "weighted_f1": lambda y, p: metrics.f1_score(y, p > 0.5, average="weighted", zero_division=0.0),
    "samples_f1": lambda y, p: metrics.f1_score(y, p > 0.5, average="samples", zero_division=1.0),
    "subset_accuracy": lambda y, p: metrics.accuracy_score(y, p > 0.5),
    "hamming_loss": lambda y, p: metrics.hamming_loss(y, p > 0.5),
    "roc_auc": lambda y, p: metrics.roc_auc_score(y, p, average="macro"),
    "average_precision": lambda y, p: metrics.average_precision_score(y, p, average="macro"),
    "lrap": metrics.label_ranking_average_precision_score,
    "log_loss": lambda y, p: np.mean([metrics.log_loss(one, other) for one, other in zip(y.T, p.T, strict=True)]),
}


def read(tmp_path, labels, **data):
    """The task of these labels (of train), 40 rows of them in turn, and its rows by text."""
    rows = [{"text": f"text {n}", "label": labels[n % len(labels)]} for n in range(40)]
    task = load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", rows), **data))
    parts = [
        (text, row)
        for part in (task.train, task.validation, task.test)
        for text, row in zip(part.texts, part.labels, strict=True)
    ]
    found = {text: [name for name, there in zip(task.names, row, strict=True) if there] for text, row in parts}
    return task, [found[f"text {n}"] for n in range(len(labels))]


def said(task):
    return " ".join(map(str, task.notes))


@pytest.mark.parametrize(
    ("labels", "data", "names", "rows", "line"),
    [
        ([["a", "b"], ["b"], []], {}, ("a", "b"), [["a", "b"], ["b"], []], "lists are read as the labels of a text"),
        ([["b", "a", "b"], ["c"]], {}, ("a", "b", "c"), [["a", "b"], ["c"]], "20 rows of 40 name a label twice"),
        (['["a", "b"]', "['b']", "[]"], {}, ("a", "b"), [["a", "b"], ["b"], []], "lists are read"),
        ([["very rude", " spam "], None], {}, ("spam", "very rude"), [["spam", "very rude"], []], "lists are read"),
        ([[3, 10], [2], ["10"]], {}, ("2", "3", "10"), [["3", "10"], ["2"], ["10"]], "lists are read"),
        ([[0, 1, 1], [0, 0, 0]], {}, ("0", "1", "2"), [["1", "2"], []], "lists of 3 answers, 0 or 1"),
        ([[0, 1], [1], [2]], {}, ("0", "1", "2"), [["0", "1"], ["1"], ["2"]], "lists are read"),
        (
            ["a | very b", "very b|a|", ""],
            {"kind": "multilabel"},
            ("a", "very b"),
            [["a", "very b"]] * 2 + [[]],
            "by the looks",
        ),
        (
            ["x; y,z", "x"],
            {"kind": "multilabel"},
            ("x", "y,z"),
            [["x", "y,z"], ["x"]],
            "separated by ';', by the looks of it",
        ),
        (
            ["x;y", *["a,b", "b"] * 15],
            {"kind": "multilabel"},
            ("a", "b", "x;y"),
            [["x;y"], *[["a", "b"], ["b"]] * 15],
            "by ','",
        ),
        (["a b", "b", " "], {"label_separator": "blank"}, ("a", "b"), [["a", "b"], ["b"], []], ""),
        (["3,5", "5", "3"], {"label_separator": ","}, ("3", "5"), [["3", "5"], ["5"], ["3"]], ""),
        (["1", "0"], {"label_separator": ","}, ("0", "1"), [["1"], ["0"]], ""),
        (
            ["a,b", "c"],
            {"label_separator": ";"},
            ("a,b", "c"),
            [["a,b"], ["c"]],
            "no cell has label_separator=';', so each names",
        ),
        (["cat", "dog"], {"kind": "multilabel"}, ("cat", "dog"), [["cat"], ["dog"]], "each cell is read as one name"),
        ([1, 0], {"kind": "multilabel"}, ("label",), [["label"], []], "one label, which is there or not"),
    ],
)
def test_one_column_names_the_labels_of_a_text(tmp_path, labels, data, names, rows, line):
    task, found = read(tmp_path, labels, **data)
    assert (task.kind, task.names) == ("multilabel", names)
    assert found == rows
    assert line in said(task)


def columns(tmp_path, header, *rows, **data):
    lines = [f"text {n},{rows[n % len(rows)]}" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join([f"text,{header}", *lines]) + "\n")
    return load_task(Data(train_file=str(tmp_path / "t.csv"), label_column=tuple(header.split(",")), **data))


@pytest.mark.parametrize(
    "rows", ["1,0 0,1", "1.0,0.0 0.0,1.0", "True,false FALSE,true", "yes,no no,Yes", "1, ,1", "Y,N n,y", "t,f F,T", "x, ,X"]
)
def test_each_label_may_have_a_column_that_says_yes_or_no(tmp_path, rows):
    task = columns(tmp_path, "very rude,spam", *rows.split())
    assert (task.kind, task.names) == ("multilabel", ("very rude", "spam"))
    assert sorted(map(tuple, task.train.labels.tolist())) == [(0, 1)] * 14 + [(1, 0)] * 14
    assert ("40 empty cells mean no" in said(task)) == (rows in ("1, ,1", "x, ,X"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda at: columns(at, "a,b", "1,0", "0,", kind="multilabel"),
            r"row 2 of the train data has no label, a label is 1 or 0",
        ),
        (
            lambda at: columns(at, "a,b", "1,0", "-1,1", kind="multilabel"),
            r"label_column='a': row 2 .* is '-1', a label is 1 or 0.*; leave out rows that nobody labelled",
        ),
        (
            lambda at: read(at, ["['a' 'b']", "['a']"], kind="multilabel"),
            "row 1 .* is a list without commas between its names",
        ),
        (
            lambda at: read(at, ["[a, b]", "[a]"], kind="multilabel"),
            "row 1 of the train data is not a list in JSON or Python",
        ),
        (lambda at: read(at, [[["a"]], ["b"]], kind="multilabel"), "row 1 of the train data is not a list of names"),
        (lambda at: read(at, [{"a": 1}, "b"], kind="multilabel"), "row 1 of the train data is not a list of names"),
        (lambda at: read(at, [None, []], kind="multilabel"), "no row has a label"),
        (lambda at: read(at, [f"a{n},b{n}" for n in range(40)], kind="multilabel"), "80 labels in 40 rows"),
        (
            lambda at: read(at, ["a,b", "c"], kind="classification", label_separator=","),
            "is for kind='multilabel', and these",
        ),
        (lambda at: read(at, ["a", "c"], thresholds="tuned"), "thresholds='tuned' is for kind='multilabel'"),
        (lambda at: checked(Data, {"task": "reviews", "label_separator": "and"}), "label_separator is 'and': give a mark"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_row(tmp_path, make, reason):
    with pytest.raises(UserError, match=reason):
        make(tmp_path)


def test_blanks_around_names_of_columns_do_not_matter(tmp_path):
    (tmp_path / "t.csv").write_text("text , a, very b\n" + "".join(f"film {n},{n % 2},{n % 3 == 0}\n" for n in range(30)))
    task = load_task(Data(train_file=str(tmp_path / "t.csv"), label_column=("a", "very b")))
    assert task.names == ("a", "very b")


def test_a_name_in_brackets_is_a_class(tmp_path):
    rows = [{"text": f"text {n}", "label": f"[a {('film', 'play')[n % 2]}]"} for n in range(20)]
    assert load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", rows))).names == ("[a film]", "[a play]")


def test_a_label_that_only_validation_has_counts_and_is_warned_about(tmp_path):
    rows = [{"text": f"text {n}", "label": ["a"] if n % 2 else ["a", "b"]} for n in range(20)]
    other = [{"text": f"other {n}", "label": ["new"]} for n in range(4)]
    files = {
        "train_file": write_lines(tmp_path / "t.jsonl", rows),
        "validation_file": write_lines(tmp_path / "v.jsonl", other),
    }
    task = load_task(Data(**files))
    assert task.names == ("a", "b", "new")
    lines = kind_for(task).describe(task.train, task.names)
    assert "3 labels in train: a " in lines[0]
    assert "no train row has the label 'new': it cannot be learned" in lines[1]
    assert "every train row has the label 'a': there is nothing to learn" in lines[2]
    (none, always) = kind_for(task).scored(task.validation, task.names, "validation")
    assert "no validation row has the label 'a', 'b': macro_f1 counts it as 0, roc_auc and average_precision leave" in none
    assert "every validation row has the label 'new': roc_auc leaves it out" in always


@pytest.mark.parametrize(("form", "count", "said"), [("", 9, True), ("", 10, False), ("tuned", 9, False)])
def test_labels_that_are_all_rare_get_a_hint(form, count, said):
    labels = np.zeros((40, 2), np.float32)
    labels[:count, 0], labels[:5, 1] = 1, 1
    rows = Rows(["x"] * 40, None, labels)
    lines = kind_for(Task("made", "multilabel", ("a", "b"), rows, rows, rows, form=form)).scored(
        rows, ("a", "b"), "validation"
    )
    assert ("no label is in more than 22.5 % of the validation rows" in " ".join(lines)) == said


def test_pairs_have_several_labels_too(tmp_path):
    rows = [{"text": f"a {n}", "second": f"b {n}", "label": ["x"] if n % 2 else ["x", "y"]} for n in range(40)]
    task = load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", rows), pair_column="second"))
    bench = Bench(task, Recipe(epochs=1))
    assert train(bench, Recipe(epochs=1), FGM()).history[0].metrics["log_loss"] < 1


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_those_of_scikit_learn_on_predictions_of_a_model(name, predictions):
    labels, output = predictions
    assert evaluate(labels_task(), labels, output)[name] == pytest.approx(SCORES[name](labels.astype(int), expit(output)))
    assert METRICS[name].direction == ("minimize" if "loss" in name else "maximize")


@pytest.fixture(scope="module")
def predictions():
    recipe = Recipe(epochs=2)
    bench = Bench(labels_task(), recipe)
    output = bench.predict(train(bench, recipe, FGM()).model, bench.validation)
    assert 0 < (output > 0).mean() < 1
    return bench.task.validation.labels, output.astype(np.float64)


@pytest.mark.parametrize("none", [0, 1])
def test_a_label_that_no_row_or_every_row_has_is_left_out_where_it_has_no_score(none):
    labels = np.array([[1, none], [0, none], [1, none]], np.float32)
    output = np.array([[3.0, 1], [1, -1], [-1, 2]])
    found = {name: METRICS[name].kinds["multilabel"].score(labels, output) for name in SCORES}
    assert found["roc_auc"] == 0.5
    assert found["average_precision"] == pytest.approx((1 / 2 * (1 + 2 / 3) + none) / (1 + none))
    assert found["macro_f1"] == pytest.approx((0.5 + none * 0.8) / 2)
    alone = {name: METRICS[name].kinds["multilabel"].score(labels[:, 1:], output[:, 1:]) for name in SCORES}
    assert (alone["roc_auc"], alone["average_precision"], alone["lrap"]) == (0.5, none, 1)


def test_a_text_without_labels_for_which_none_is_predicted_is_right():
    labels, output = np.array([[0.0, 0], [0, 0], [1, 0]]), np.array([[-1.0, -1], [-1, 1], [1, 1]])
    found = {name: METRICS[name].kinds["multilabel"].score(labels, output) for name in SCORES}
    assert found["samples_f1"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert found["micro_f1"] == pytest.approx(2 / 4)
    assert (found["subset_accuracy"], found["hamming_loss"]) == pytest.approx((1 / 3, 2 / 6))
    nothing = METRICS["weighted_f1"].kinds["multilabel"].score(labels[:2], output[:2])
    assert nothing == 0


def test_each_label_has_its_f1():
    labels, output = np.array([[1.0, 0, 1], [1, 0, 0]]), np.array([[1.0, 1, 1], [-1, -1, 1]])
    found = evaluate(labels_task(), labels, output)
    assert {name: found[f"f1 {name}"] for name in labels_task().names} == pytest.approx(
        {"long": 2 / 3, "with commas": 0, "good": 2 / 3}
    )


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("count", [2, 7, 50, 85, 93])
def test_every_label_is_as_frequent_in_the_rows_put_aside(count, bare):
    rng = np.random.default_rng(1)
    labels = (rng.random((100, 5)) < [0.5, 0.3, 0.2, 0.1, 0.02]).astype(np.float32)
    if not bare:  # then iterative stratification alone misses the number of rows
        labels[np.arange(100), rng.integers(5, size=100)] = 1
    rest, out = split(Rows([f"text {n}" for n in range(100)], None, labels), "multilabel", count)
    assert (len(rest), len(out)) == (100 - count, count)
    assert sorted(rest.texts + out.texts) == sorted(f"text {n}" for n in range(100))
    assert np.abs(out.labels.sum(0) - labels.sum(0) * count / 100).max() < 1.5


@pytest.mark.parametrize("labels", [np.zeros((12, 2)), np.ones((12, 2)), np.eye(12), np.ones((12, 1))])
def test_labels_that_cannot_be_spread_still_give_the_rows_that_were_asked_for(labels):
    assert [len(part) for part in split(Rows(["x"] * 12, None, labels.astype(np.float32)), "multilabel", 5)] == [7, 5]


def test_the_rows_of_a_subset_are_always_the_same(tmp_path):
    rows = [{"text": f"text {n}", "label": ["a"] * (n % 2) + ["b"] * (n % 3 == 0)} for n in range(60)]
    file = write_lines(tmp_path / "t.jsonl", rows)
    one, other = (load_task(Data(train_file=file, max_train_rows=20)) for _ in range(2))
    assert len(one.train) == 20
    assert one.fingerprint == other.fingerprint
    assert load_task(Data(train_file=file, max_train_rows=20, thresholds="tuned")).fingerprint != one.fingerprint


def test_a_test_split_without_labels_is_kept_for_prediction(tmp_path):
    rows = [{"text": f"text {n}", "label": ["a"] * (n % 2) + ["b"]} for n in range(30)]
    files = {"train_file": write_lines(tmp_path / "t.jsonl", rows)}
    task = load_task(Data(**files, test_file=write_lines(tmp_path / "u.jsonl", [{"text": "x"}] * 3)))
    assert not task.test.labelled
    assert task.test.labels.shape == (3, 2)


def test_the_table_of_predictions_names_labels():
    task, kind = labels_task(), KINDS["multilabel"]
    cells = kind.cells(task.names, np.array([[1, 0, 1], [0, 0, 0]]), np.array([[1.0, -1, -1], [0, 0, 9]]))
    assert cells["labels"] == ["long, good", ""]
    assert cells["predicted"] == ["long", "good"]
    assert cells["p good"] == ["0.2689", "0.9999"]


def test_a_task_of_one_label_is_trained():
    rows = Rows(["a fine film", "a dull film"] * 8, None, np.array([[1], [0]] * 8, np.float32))
    task, recipe = Task("one", "multilabel", ("fine",), rows, rows, rows), Recipe(epochs=2)
    assert train(Bench(task, recipe), recipe, FGM()).history[-1].metrics["lrap"] == 1
