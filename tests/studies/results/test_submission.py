"""Sample submissions: their rows in their order, columns matched by name, values as they have them; all else is refused."""

import csv

import numpy as np
import pytest

from finetune.config import Data, Recipe
from finetune.errors import UserError
from finetune.tasks import KINDS
from finetune.tasks.answer import Answer
from finetune.training.about import Known
from studies.results.submission import Submission, key_of
from studies.results.template import Matching, plain, read_template

FILE = ("id", "text")


def known(kind, names, columns=("label",), **more):
    data = Data(task="reviews", label_column=columns)
    values = {"recipe": Recipe(), "task": "films", "fingerprint": "0", "kind": kind, "names": names, "data": data}
    return Known(**values | {"max_length": 8, "side": "right", "inputs": ("input_ids",)} | more)


CLASSES_OF = known("classification", ("bad", "good"))
THREE = known("classification", ("0", "1", "2"))
LABELS = known("multilabel", ("toxic", "mild rude"), ("toxic", "mild rude"))
TAGS = known("multilabel", ("a", "b"), ("tags",))
NUMBERS = known("regression", ("V", "A"), ("V", "A"))
NUMBER = known("regression", ("score",), ("score",))
STEPS = known("ordinal", ("low", "mid", "high"))


def two(names):
    """Two rows: the first has the first class or label."""
    return Answer([names[0], names[1]], {names[0]: np.array([0.75, 0.125]), names[1]: np.array([0.25, 0.875])})


ANSWERS = {
    "classification": two,
    "regression": lambda names: Answer(None, {name: np.array([1.5, 0.1], np.float32) for name in names}, "predicted "),
    "multilabel": lambda names: Answer([[names[0]], list(names)], dict(two(names).values)),
    "ordinal": lambda names: Answer([names[0], names[2]], {"above low": np.array([0.25, 1.0])}),
}


def filled(tmp_path, model, template, columns=FILE, keys=("x1", "x2"), asked=None, ids=None, ranks=False):
    """The filled rows, and the lines that are printed."""
    path = tmp_path / "sample.csv"
    path.write_text(template)
    source, rows = read_template(path)
    kind = KINDS[model.kind]
    found = Matching(source, rows, model, kind, asked, ranks).template(columns, ids)
    of = [(key,) for key in keys] if found.ids else []
    submission = Submission(found, model.names, of, len(keys), "test.csv", ", ")
    submission.add(ANSWERS[model.kind](model.names))
    with (tmp_path / "out.csv").open("wb") as file:
        submission.write(file)
    with (tmp_path / "out.csv").open(newline="") as text:
        table = list(csv.reader(text))
    assert table[0] == list(source.names)
    return table[1:], [str(note) for note in (*found.notes, *submission.notes)]


GOOD = [
    ("names", CLASSES_OF, "id,label\nx2,bad\nx1,bad\n", {}, [["x2", "good"], ["x1", "bad"]], None),
    ("any name", CLASSES_OF, "id,target\nx1,\nx2,\n", {}, [["x1", "bad"], ["x2", "good"]], "target gets what is predicted"),
    ("numbers", CLASSES_OF, "id,label\nx1,0\nx2,0\n", {}, [["x1", "0"], ["x2", "1"]], "gets the number of the class, as it"),
    ("asked", CLASSES_OF, "id,label\nx1,bad\nx2,bad\n", {"asked": "numbers"}, [["x1", "0"], ["x2", "1"]], None),
    ("likely", CLASSES_OF, "id,label\nx1,0.5\nx2,0.5\n", {}, [["x1", "0.25"], ["x2", "0.875"]], "probability of good"),
    ("chance", CLASSES_OF, "id,y\nx1,0\nx2,0\n", {"asked": "probabilities"}, [["x1", "0.25"], ["x2", "0.875"]], "of good"),
    ("names asked", CLASSES_OF, "id,label\nx1,0.5\nx2,\n", {"asked": "names"}, [["x1", "bad"], ["x2", "good"]], None),
    ("classes", CLASSES_OF, "good,id,Bad\n0,x1,0\n0,x2,0\n", {}, [["0.25", "x1", "0.75"], ["0.875", "x2", "0.125"]], None),
    ("marks", CLASSES_OF, "id,p_good,label_bad\nx1,,\nx2,,\n", {}, [["x1", "0.25", "0.75"], ["x2", "0.875", "0.125"]], None),
    ("one of two", CLASSES_OF, "id,prob good\nx2,\n", {}, [["x2", "0.875"]], "1 row of test.csv is not in the template"),
    ("both", CLASSES_OF, "id,label,good\nx1,bad,\nx2,bad,\n", {}, [["x1", "bad", "0.25"], ["x2", "good", "0.875"]], None),
    ("numerals", THREE, "id,label\nx1,0\nx2,0\n", {}, [["x1", "0"], ["x2", "1"]], None),
    (
        "flags",
        LABELS,
        "id,toxic,mild rude\nx1,0,0\nx2,0,0\n",
        {},
        [["x1", "1", "0"], ["x2", "1", "1"]],
        "gets 1 or 0, as it",
    ),
    (
        "shares",
        LABELS,
        "id,mild_rude,toxic\nx1,0.5,0.5\nx2,0.5,0.5\n",
        {},
        [["x1", "0.25", "0.75"], ["x2", "0.875", "0.125"]],
        None,
    ),
    ("asked shares", LABELS, "id,toxic\nx1,0\nx2,0\n", {"asked": "probabilities"}, [["x1", "0.75"], ["x2", "0.125"]], None),
    ("tags", TAGS, "id,tags\nx1,\nx2,\n", {}, [["x1", "a"], ["x2", "a, b"]], None),
    ("targets", NUMBERS, "A,id,V\n,x1,\n,x2,\n", {}, [["1.5", "x1", "1.5"], ["0.1", "x2", "0.1"]], None),
    ("target", NUMBER, "id,Predicted\nx1,3\nx2,3\n", {}, [["x1", "1.5"], ["x2", "0.1"]], "gets the prediction of score"),
    ("steps", STEPS, "id,label\nx1,low\nx2,low\n", {}, [["x1", "low"], ["x2", "high"]], None),
    ("step numbers", STEPS, "id,label\nx1,0\nx2,1\n", {}, [["x1", "0"], ["x2", "2"]], "the number of the class"),
    ("steps above", STEPS, "id,above low\nx1,0\nx2,1\n", {}, [["x1", "0.25"], ["x2", "1.0"]], None),
    ("order", CLASSES_OF, "label\nbad\nbad\n", {}, [["bad"], ["good"]], "its rows are filled in the file's order"),
    (
        "more",
        CLASSES_OF,
        "id,text,label\nx1,t,bad\nx2,u,bad\n",
        {},
        [["x1", "t", "bad"], ["x2", "u", "good"]],
        "columns text of",
    ),
    ("numeric ids", CLASSES_OF, "id,label\n7,bad\n08,bad\n", {"keys": ("7", "08")}, [["7", "bad"], ["08", "good"]], None),
    ("other ids", CLASSES_OF, "key,label\nx1,bad\n", {"columns": ("n", "key"), "ids": ("key",)}, [["x1", "bad"]], None),
    (
        "ranks",
        CLASSES_OF,
        "id,label\nx1,bad\nx2,bad\n",
        {"ranks": True},
        [["x1", "0.25"], ["x2", "0.875"]],
        "prediction of good",
    ),
]


@pytest.mark.parametrize(
    ("model", "template", "given", "rows", "line"), [one[1:] for one in GOOD], ids=[one[0] for one in GOOD]
)
def test_a_sample_is_filled_in_its_order_with_what_its_columns_name(tmp_path, model, template, given, rows, line):
    found, notes = filled(tmp_path, model, template, **given)
    assert found == rows
    if line is None:
        assert [note for note in notes if "not in the template" not in note] == []
    else:
        assert line in " ".join(notes)


MANY = "".join(f"x{n},\n" for n in range(9))
BAD = {
    "not there": (CLASSES_OF, f"id,label\n{MANY}", {}, "row 1 has id 'x0' (and 6 more), which test.csv does not have"),
    "twice in the file": (CLASSES_OF, "id,label\nx1,\n", {"keys": ("x1", "x1")}, "test.csv has 'x1' twice, in rows 1 and 2"),
    "twice": (CLASSES_OF, "id,label\nx1,\nx1,\n", {}, "it has id 'x1' twice"),
    "no ids": (CLASSES_OF, "label\nbad\n", {}, "it has 1 row and no column of test.csv, which has 2"),
    "misspelt": (
        LABELS,
        "id,toxic,mild rud\nx1,0,0\n",
        {},
        "column 'mild rud' is neither a column of the file nor a prediction",
    ),
    "near": (LABELS, "id,toxic,mild rud\nx1,0,0\n", {}, "did you mean 'mild rude'?"),
    "nothing": (CLASSES_OF, "id,text\nx1,0\n", {}, "has no column for a prediction"),
    "no name": (CLASSES_OF, ",id,text\n0,x1,0\n", {"columns": ("", "id", "text")}, "for a prediction: (no name), id, text"),
    "one of many": (NUMBERS, "id,score\nx1,0\n", {}, "column 'score' is one, and the model predicts 2 numbers: V, A"),
    "one of three": (THREE, "id,y\nx1,0\n", {"asked": "probabilities"}, "'y' is one, and the model predicts 3 numbers"),
    "other ids": (CLASSES_OF, "id,label\nx1,0\n", {"ids": ("key",)}, "id_column='key'"),
    "empty": (CLASSES_OF, "id,label\n", {}, "has no rows"),
    "two names": (CLASSES_OF, "id,label,label\nx1,0,0\n", {}, "has several columns named label"),
    "strange and one": (CLASSES_OF, "id,label,odd\nx1,bad,0\n", {}, "column 'odd' is neither"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_said(tmp_path, name):
    model, template, given, what = BAD[name]
    with pytest.raises(UserError, match=r"\w") as refused:
        filled(tmp_path, model, template, **given)
    assert what in str(refused.value)
    assert "\n" not in str(refused.value)


def test_words_have_no_sample_submission(tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("id,label\n1,O\n")
    with pytest.raises(UserError, match="the words of a text have a tag each"):
        Matching(*read_template(path), known("tokens", ("O", "B-a")), KINDS["tokens"], None, False)
    (tmp_path / "sample.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(UserError, match="a sample submission is a table of cells"):
        read_template(tmp_path / "sample.jsonl")


def test_ids_are_equal_as_people_read_them():
    assert key_of([7, " a "]) == key_of(["7", "a"]) == key_of([7.0, "a"]) == ("7", "a")
    assert key_of(["007"]) != key_of(["7"])
    assert plain("Mild_Rude!") == plain("mild rude")
