"""What predict refuses, before a model is loaded and with nothing written; and what it says of labels."""

from pathlib import Path

import pytest
from helpers.saved_models import TASKS, saved_model
from helpers.small_tasks import write_lines

import studies
from finetune.arguments import as_options
from finetune.errors import UserError
from studies import predicting
from studies.report.screen import Screen


def predict(name, file):
    return studies.predict(saved_model(name)[0], file, progress=False)


def texts(path, *more):
    path.write_text("\n".join(["id,text", "1,a film", *more]) + "\n")


BEFORE = {"models": "classes", "file": "test.csv"}
REFUSED = {
    "no such file": ({"file": "absent.csv"}, "absent.csv: there is no such file"),
    "a folder": ({"file": "."}, "is a folder; name the file to predict"),
    "no such model": ({"models": "runs/x"}, "runs/x: there is no such folder"),
    "two kinds": ({"models": ("classes", "numbers")}, "classification and regression are different kinds of task"),
    "twice": ({"models": ("classes", "classes")}, "is named twice; name it once"),
    "logits of numbers": ({"models": "numbers", "mean": "logits"}, "regression predicts numbers, which have no logits"),
    "ranks of steps": ({"models": "steps", "mean": "ranks"}, "ordinal needs the values, and ranks have none"),
    "a mean": ({"mean": "median"}, "mean is 'median'"),
    "no template": ({"format": "submission"}, "format='submission' needs a sample of it"),
    "values": ({"values": "numbers"}, "values='numbers' is for a template"),
    "a book": ({"out": "out.xlsx"}, "out='out.xlsx': .xlsx is no format that can be written"),
    "an old folder": ({"out": "."}, "is a folder; name a file in it"),
    "itself": ({"out": "test.csv"}, "is the file to predict; name another"),
    "conll": ({"out": "out.conll"}, "lines with tags are written for a file that has a word in each line"),
    "a pair": ({"pair_column": "id"}, "the model reads one text; leave it out"),
    "one text": ({"models": "pairs"}, "pair_column='second': test.csv has no such column"),
    "ids": ({"id_column": "idd"}, "id_column='idd': test.csv has no such column; did you mean 'id'?"),
    "an option": ({"template": "test.csv", "format": "csv"}, "a template is filled as it is; leave one out"),
    "a template elsewhere": ({"template": "test.csv", "out": "out.parquet"}, "a filled template is a table of cells"),
    "a delimiter": ({"delimiter": "::"}, "delimiter is '::': give one character, or tab"),
    "an argument": ({"text_colum": "id"}, "text_colum is not a setting; did you mean 'text_column'?"),
    "a place": ({"out": "test.csv/out.csv"}, "cannot be written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_a_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    texts(Path("test.csv"), "2,another")
    changes, what = REFUSED[name]
    given = BEFORE | {"out": "out.csv"} | changes
    models = [given["models"]] if isinstance(given["models"], str) else given["models"]
    given["models"] = tuple(str(saved_model(one)[0]) if one in TASKS else one for one in models)
    with pytest.raises(UserError, match=r"\w") as refused:
        predicting.predicted(given, Screen(None))
    assert what in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["test.csv"]


LISTS = [{"id": 1, "text": "a"}, {"id": 2, "text": ["b", "c"]}]


def test_cells_that_are_no_text_are_named(tmp_path):
    file = write_lines(tmp_path / "lists.jsonl", LISTS)
    with pytest.raises(
        UserError, match=r"text_column='text': row 2 \(line 2 of lists.jsonl\) is \['b', 'c'\], not a single text"
    ):
        predict("classes", file)
    file = write_lines(tmp_path / "words.jsonl", [{"tokens": ["a"]}, {"tokens": "['b']"}])
    with pytest.raises(UserError, match=r"row 2 \(line 2 of words.jsonl\) is .* not a list of words"):
        predict("words", file)
    (tmp_path / "none.csv").write_text("id,text\n")
    with pytest.raises(UserError, match=r"none.csv has no rows"):
        predict("classes", tmp_path / "none.csv")


def test_labels_that_the_model_does_not_know_are_said(tmp_path):
    screen = Screen(None, as_options)
    texts(tmp_path / "test.csv")
    given = {"models": (str(saved_model("classes")[0]),), "file": str(tmp_path / "test.csv"), "label_column": ("id",)}
    predicting.predicted(given, screen, frame=True)
    assert any(line.startswith("test.csv is not scored: --label-column id: ") and "'1'" in line for line in screen.said)
