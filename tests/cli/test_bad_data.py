"""Data that cannot be used: what is said names the file or column, the row and the value."""

import json
import random
from pathlib import Path

import datasets
import huggingface_hub
import pandas as pd
import pytest
from helpers.refusals import SMALL, assert_said, refused, rows

GOOD = rows()
NOISE = random.Random(0).randbytes(3000)
NUMBERS = "text,label\n" + "".join(f"film number {n},{n / 8}\n" for n in range(40))


def write(name, content):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def lines(**columns):
    """JSON lines of 40 rows, the values of each column in turn."""
    return "".join(json.dumps({name: v[n % len(v)] for name, v in columns.items()}) + "\n" for n in range(40))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "", ["is empty"]),
        ("t.csv", " \n", ["cannot be read as csv", "it has no columns"]),
        ("t.csv", "text,label\n", ["has no rows"]),
        ("t.tsv", "text\tlabel\n", ["has no rows"]),
        ("t.csv", rows(1), ["the train data has 1 row;", "at least 10"]),
        ("t.csv", NOISE, ["cannot be read as csv", "utf-8"]),
        ("t.tsv", NOISE, ["cannot be read as tsv", "utf-8"]),
        ("t.jsonl", NOISE, ["cannot be read as jsonl"]),
        ("t.parquet", NOISE, ["cannot be read as parquet"]),
        (
            "t.csv",
            GOOD.replace("good", "caf\xe9", 2).encode("latin-1"),
            ["cannot be read as csv", "--encoding cp1252"],
        ),
        ("t.txt", GOOD, ["cannot read .txt", ".csv, .tsv, .jsonl"]),
        ("t", GOOD, ["without suffix", ".csv, .tsv, .jsonl"]),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label"\n', ["cannot be read as jsonl", "line 3"]),
        ("t.jsonl", "no json\n" * 20, ["cannot be read as jsonl", "line 1"]),
        ("t.csv", GOOD + "one,two,three,four\n", ["cannot be read as csv", "line 42"]),
        ("t.csv", GOOD + "lonely\n", ["line 42 has 1 cell", "the header has 2"]),
        (
            "t.csv",
            GOOD + '"never closed,good\nmore,bad\n',
            ["line 42", "never closed", "--quoting none"],
        ),
        ("t.tsv", GOOD.replace(",", "\t") + "a\tb\tc\n", ["cannot be read as tsv", "line 42"]),
        (
            "t.jsonl",
            lines(text=["a"], label=[[1, 2]]),
            ["--label-column label", "every row of the train data has the same labels"],
        ),
        ("t.jsonl", lines(text=[["a", "b"]], label=[0, 1]), ["--text-column text", "row 1", "not a single value"]),
        ("t.jsonl", lines(text=["a"], label=[0, None]), ["row 2 of the train data has no label"]),
    ],
)
def test_a_file_that_cannot_be_used(name, content, words, capsys):
    write(name, content)
    said = refused(capsys, "--train-file", name, *SMALL)
    assert_said(said, *words)
    assert name in said or "train data" in said


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (GOOD, ["--text-column", "txet"], ["--text-column txet", "train data", "did you mean 'text'?"]),
        (GOOD, ["--label-column", "lable"], ["--label-column lable", "did you mean 'label'?"]),
        (GOOD, ["--pair-column", "zzz"], ["--pair-column zzz", "choose from label, text"]),
        (GOOD.split("\n", 1)[1], [], ["--text-column text", "no such column"]),
        (GOOD, ["--label-column", "text"], ["--label-column text", "already the --text-column"]),
        (GOOD, ["--pair-column", "text"], ["--pair-column text", "already the --text-column"]),
        (GOOD, ["--label-column", "label,label"], ["--label-column label", "already"]),
        (rows(labels=["good"]), [], ["--label-column label", "there is only one class ('good')"]),
        ("text,label\n" + ",a\n ,b\n" * 20, [], ["--text-column text", "every text in the train data is empty"]),
        (GOOD.replace(",good", ",", 1), [], ["row 2 of the train data has no label"]),
        (GOOD, ["--metric", "rmse"], ["--label-column label", "row 1 of the train data is 'bad'", "not a finite number"]),
        (NUMBERS.replace("0.625", "much"), ["--metric", "rmse"], ["row 6 of the train data is 'much'"]),
        (NUMBERS.replace("0.625", ""), ["--metric", "rmse"], ["row 6 of the train data is ''"]),
        (NUMBERS.replace("0.625", "nan"), ["--metric", "rmse"], ["row 6 of the train data is 'nan'", "not a finite number"]),
        (NUMBERS.replace("0.625", "nan"), [], ["row 6 of the train data is 'nan'", "not a finite number"]),
        (NUMBERS.replace("0.625", "-inf"), [], ["row 6 of the train data is '-inf'", "not a finite number"]),
        (NUMBERS.replace("0.625", "1e39"), [], ["row 6 of the train data is '1e39'", "below 1e+18"]),
        (rows(labels=["3.5"]), [], ["--label-column label", "every target in the train data is 3.5"]),
        (NUMBERS, ["--metric", "accuracy"], ["--label-column label", "40 classes in 40 rows", "--metric rmse"]),
        (NUMBERS, ["--metric", "macro_f2"], ["unknown metric 'macro_f2'", "did you mean 'macro_f1'?"]),
        (rows(9), [], ["the train data has 9 rows", "at least 10"]),
    ],
)
def test_a_column_that_cannot_be_used(content, arguments, words, capsys):
    write("t.csv", content)
    assert_said(refused(capsys, "--train-file", "t.csv", *SMALL, *arguments), *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["v.csv", "there is no such file"]),
        ("", ["v.csv", "is empty"]),
        ("text,label\n", ["v.csv", "has no rows"]),
        (
            GOOD + "a film,mixed\n",
            ["--label-column label", "does not have: 'mixed'"],
        ),
        (rows(header="txt,label"), ["--text-column text", "validation data", "did you mean 'txt'?"]),
        ("text,label\n,good\n,bad\n", ["--text-column text", "every text in the validation data is empty"]),
        (GOOD + "a film\n", ["line 42 has 1 cell", "the header has 2"]),
    ],
)
def test_a_validation_file_that_cannot_be_used(content, words, capsys):
    write("t.csv", GOOD)
    if content is not None:
        write("v.csv", content)
    assert_said(refused(capsys, "--train-file", "t.csv", "--validation-file", "v.csv", *SMALL), *words)


def test_what_is_not_there_or_is_something_else(capsys):
    Path("folder.csv").mkdir()
    assert_said(refused(capsys, "--train-file", "none.csv", *SMALL), "none.csv: there is no such file")
    assert_said(refused(capsys, "--train-file", "folder.csv", *SMALL), "folder.csv is a folder", "--data")
    assert_said(refused(capsys, "--data", "./none", *SMALL), "--data ./none", "no such folder")
    write("folder/rows.csv", GOOD)
    said = refused(capsys, "--data", "folder/rows.csv", *SMALL)
    assert_said(said, "rows.csv is a file", "--train-file")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({}, ["has no train file", "train.csv", "it holds nothing"]),
        ({"dev.csv": GOOD}, ["has no train file", "it holds dev.csv"]),
        ({"train.txt": GOOD}, ["train.txt: cannot read .txt", "words with tags", "use .csv", "--kind tokens"]),
        ({"train.md": GOOD}, ["has no train file", "it holds train.md"]),
        ({"train.csv": GOOD, "train.tsv": GOOD}, ["both train.csv and train.tsv", "keep one"]),
        ({"train.csv": GOOD, "dev.csv": ""}, ["dev.csv", "is empty"]),
        ({"dataset_dict.json": "{"}, ["is not a complete data set"]),
        ({"dataset_dict.json": '{"splits": ["train"]}'}, ["is not a complete data set"]),
        ({"dataset_dict.json": '{"splits": []}'}, ["has no train split"]),
    ],
)
def test_a_folder_that_cannot_be_used(held, words, capsys):
    Path("folder").mkdir()
    for name, content in held.items():
        write(f"folder/{name}", content)
    assert_said(refused(capsys, "--data", "folder", *SMALL), "folder", *words)


def test_numbers_that_are_missing_in_a_table_of_numbers(capsys):
    values = [n / 8 for n in range(40)]
    values[5] = float("nan")
    pd.DataFrame({"text": [f"film {n}" for n in range(40)], "label": values}).to_parquet("t.parquet")
    said = refused(capsys, "--train-file", "t.parquet", *SMALL)
    assert_said(said, "--label-column label", "row 6 of the train data has no label")


def test_a_hub_id_without_network_is_answered_at_once(capsys, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    said = refused(capsys, "--data", "no_such_owner/no_such_data", *SMALL)
    assert_said(said, "--data no_such_owner/no_such_data: there is no such folder", "it cannot be loaded from the hub")
