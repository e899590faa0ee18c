"""Labels beside the texts to predict, in the model's numbers, however the file writes them; and what are no labels."""

import numpy as np
import pytest

from finetune.config import Data
from finetune.data.given_labels import given_labels
from finetune.tasks import KINDS
from finetune.tasks.table import Table
from finetune.tasks.tokens import with_names


def read(kind, names, columns, label=("label",), words=None, **more):
    data = Data(task="reviews", label_column=label, **more)
    rows = len(next(iter(columns.values())))
    texts = [["a"] * len(one) for one in next(iter(columns.values()))] if words else ["a"] * rows
    return given_labels(Table({"text": texts} | columns, "test.csv"), data, kind, names)


CLASSES, SEVERAL, NUMBERS, STEPS = (KINDS[name] for name in ("classification", "multilabel", "regression", "ordinal"))
ABC = ("a", "b", "c")
READ = [
    ("names", CLASSES, ("bad", "good"), {"label": ["good", "bad", "good"]}, {}, [1, 0, 1]),
    ("one class only", CLASSES, ("bad", "good"), {"label": ["good", "good"]}, {}, [1, 1]),
    ("blanks", CLASSES, ("bad", "good"), {"label": [" good", "bad "]}, {}, [1, 0]),
    ("numbers", CLASSES, ("0", "1", "10"), {"label": ["1.0", "10", 0]}, {}, [1, 2, 0]),
    ("another order", CLASSES, ("z", "a"), {"label": ["a", "z"]}, {}, [1, 0]),
    ("steps", STEPS, ("low", "mid", "high"), {"label": ["high", "low"]}, {}, [2, 0]),
    ("columns", SEVERAL, ("x", "y"), {"y": ["1", "0"], "x": ["0", "true"]}, {"label": ("x", "y")}, [[0, 1], [1, 0]]),
    ("lists", SEVERAL, ABC, {"label": [["c", "a"], []]}, {}, [[1, 0, 1], [0, 0, 0]]),
    ("between marks", SEVERAL, ABC, {"label": ["c|a", ""]}, {"label_separator": "|"}, [[1, 0, 1], [0, 0, 0]]),
    ("flags", SEVERAL, ("0", "1", "2"), {"label": ["[0, 1, 1]", "[1, 0, 0]"]}, {}, [[0, 1, 1], [1, 0, 0]]),
    ("targets", NUMBERS, ("v", "w"), {"w": ["2", "3"], "v": ["0.5", 1]}, {"label": ("v", "w")}, [[0.5, 2], [1, 3]]),
    ("commas", NUMBERS, ("v",), {"v": ["2,5", "3,25"]}, {"label": ("v",)}, [[2.5], [3.25]]),
]


@pytest.mark.parametrize(
    ("kind", "names", "columns", "more", "labels"), [one[1:] for one in READ], ids=[one[0] for one in READ]
)
def test_labels_have_the_numbers_of_the_model(kind, names, columns, more, labels):
    found, reason = read(kind, names, columns, **more)
    assert reason == ""
    assert found.tolist() == labels


def test_tags_have_the_numbers_of_the_model():
    names = ("B-a", "O", "I-a")
    kind = with_names(names)
    found, reason = read(kind, names, {"label": [["O", "B-a", "I-a"], ["O"]]}, words=True)
    assert (found.tolist(), reason) == ([[1, 0, 2], [1, -1, -1]], "")
    found, reason = read(kind, names, {"label": [["I-a", "I-a"]]}, words=True, tag_scheme="iob1")
    assert (found.tolist(), reason) == ([[0, 2]], "")  # IOB1: an entity begins without B


@pytest.mark.parametrize("tags", [["NNP", "X"], ["IN", "NN-a1"], [".", ","]])
def test_a_column_of_something_else_is_not_taken_for_tags(tags):
    names = ("B-LOC", "O", "I-LOC")
    found, reason = read(with_names(names), names, {"label": [tags, tags[:1]]}, words=True)
    assert found is None
    assert reason == f"no tag of the model is in column 'label', which has {', '.join(sorted(tags))}"


NONE = [
    ("placeholders", CLASSES, ("bad", "good"), {"label": ["?", "?"]}, "has '?' for every label"),
    ("another", CLASSES, ("bad", "good"), {"label": ["good", "ugly"]}, "'ugly', in row 2"),
    ("gaps", CLASSES, ("bad", "good"), {"label": ["good", None]}, "row 2 of the test data has no label"),
    ("empty", CLASSES, ("bad", "good"), {"label": ["", None]}, "has nothing in column 'label'"),
    ("unknown", SEVERAL, ABC, {"label": [["d"], ["a"]]}, "the model does not know 'd'"),
    ("words", NUMBERS, ("label",), {"label": ["1", "many"]}, "row 2 of the test data is 'many', not a finite number"),
    ("far", STEPS, ("low", "high"), {"label": ["mid", "low"]}, "mid"),
]


@pytest.mark.parametrize(("kind", "names", "columns", "why"), [one[1:] for one in NONE], ids=[one[0] for one in NONE])
def test_what_are_no_labels_of_the_model_is_said(kind, names, columns, why):
    found, reason = read(kind, names, columns)
    assert found is None
    assert why in reason
    assert "\x1f" not in reason


def test_labels_are_arrays_of_the_kind():
    found, _ = read(NUMBERS, ("label",), {"label": ["1", "2"]})
    assert found.dtype == np.float32
