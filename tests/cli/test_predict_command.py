"""The predict command: what it prints and writes, and what it refuses in one or two lines with its options' names."""

import csv
import json
from pathlib import Path

import pytest
from helpers.refusals import assert_said, refused
from helpers.saved_models import rows_of, saved_model, without_labels
from helpers.small_tasks import write_lines

import search
from studies.commands import predict
from studies.planning import predict_request
from studies.results import asked_models, outputs, predicted, sinks, submission, survey, template

MODULES = (predict, predict_request, asked_models, outputs, predicted, sinks, submission, survey, template)


def run(capsys, *arguments):
    capsys.readouterr()
    assert search.run(["predict", *map(str, arguments)]) == 0
    return capsys.readouterr()


def test_a_file_is_predicted_and_scored(capsys):
    folder, _, _, values = saved_model("classes")
    write_lines(Path("test.jsonl"), rows_of("classes"))
    lines = run(capsys, folder, "test.jsonl").out.splitlines()
    assert lines[0] == "test.jsonl: 1 of 24 texts is empty, in row 4: predicted as an empty text"
    assert lines[1] == f"24 rows of test.jsonl: predicted by {folder}"
    assert lines[2].startswith(f"its labels are scored: accuracy {values['accuracy']:.4f}, macro_f1 ")
    assert lines[3:] == ["written: predictions.csv"]
    assert Path("predictions.csv").read_text().splitlines()[0] == "id,label,predicted,p negative,p positive"


def test_standard_output_has_the_table_alone(capsysbinary):
    folder = saved_model("classes")[0]
    write_lines(Path("test.jsonl"), without_labels("classes"))
    assert search.run(["predict", str(folder), "test.jsonl", "--out", "-"]) == 0
    said = capsysbinary.readouterr()
    table = list(csv.reader(said.out.decode().splitlines()))
    assert (len(table), table[0][:2]) == (25, ["id", "predicted"])
    assert b"predicted by" in said.err
    assert [path.name for path in Path().iterdir()] == ["test.jsonl"]


def test_a_sample_submission_is_filled(capsys):
    folders = [saved_model("classes", seed)[0] for seed in (0, 1)]
    write_lines(Path("test.jsonl"), without_labels("classes"))
    Path("sample.csv").write_text("id,target\nr3,0.5\nr1,0.5\n")
    lines = run(capsys, *folders, "test.jsonl", "--template", "sample.csv").out.splitlines()
    assert "24 rows of test.jsonl: predicted by the mean of 2 models (probabilities)" in lines
    guess = "sample.csv: target gets the probability of positive, for it has fractions; --values names writes those"
    assert guess in lines
    assert lines[-1] == "written: submission.csv"
    table = list(csv.reader(Path("submission.csv").read_text().splitlines()))
    assert [row[0] for row in table] == ["id", "r3", "r1"]
    run(capsys, *folders, "test.jsonl", "--out", "all.jsonl")
    found = {row["id"]: row["p positive"] for row in map(json.loads, Path("all.jsonl").read_text().splitlines())}
    assert [float(row[1]) for row in table[1:]] == [found["r3"], found["r1"]]


REFUSED = {
    "no file": (["model"], "model: name the models and then the file to predict"),
    "nothing": ([], "Missing argument 'MODEL... FILE'"),
    "no model": (["runs/x", "test.csv"], "runs/x: there is no such folder"),
    "a plain model": (["plain", "test.csv"], "plain has no advsearch.json"),
    "the order": (["test.csv", "MODEL"], "the file to predict comes last"),
    "a mean": (["MODEL", "test.csv", "--mean", "median"], "--mean is 'median'"),
    "a column": (
        ["MODEL", "test.csv", "--text-column", "txt"],
        "--text-column txt: test.csv has no such column; did you mean",
    ),
    "an option": (["MODEL", "test.csv", "--output", "x"], "No such option: --output"),
    "a submission": (
        ["MODEL", "test.csv", "--format", "submission"],
        "--format submission needs a sample of it: give --template",
    ),
    "a template": (["MODEL", "test.csv", "--template", "absent.csv"], "absent.csv: there is no such file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(capsys, name):
    Path("test.csv").write_text("text\na film\n")
    Path("plain").mkdir()
    arguments, what = REFUSED[name]
    folder = str(saved_model("classes")[0])
    said = refused(capsys, "predict", *(folder if one == "MODEL" else one for one in arguments))
    assert_said(said, what)
