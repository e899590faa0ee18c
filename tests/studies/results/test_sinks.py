"""Cells and names of any kind come back from what is written; files are whole, or as they were."""

import csv
import gzip
import io
import json
import os

import pytest

from finetune.errors import UserError
from studies.results.predicted import header, separator_for
from studies.results.sinks import format_for, on_stdout, packed, replacing, sink_for

NAMES = ["", "a,b", 'the "best"', "two\nlines", "two\rlines", "\U0001f600", "=1+1", " ", "tab\there"]
ROW = ["=HYPERLINK(1)", "-2", "@x", "a\r\nb", "\x00 \u2028", "é", "", None, 0.1]


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_names_and_cells_of_any_kind_come_back(form, delimiter):
    file = io.BytesIO()
    sink = sink_for(form, file, NAMES)
    sink.write([ROW, [["x", 1], {"k": None}, *ROW[2:]]])
    sink.close()
    names, one, two = csv.reader(io.StringIO(file.getvalue().decode(), newline=""), delimiter=delimiter)
    assert names == NAMES
    assert one == [*ROW[:7], "", "0.1"]
    assert two[:2] == ['["x", 1]', '{"k": null}']
    assert file.getvalue().count(b"\r\n") == 2  # those of the cells


def test_json_lines_keep_types_and_texts_that_are_no_unicode():
    file = io.BytesIO()
    sink_for("jsonl", file, ["a", "b"]).write([[1.5, ["x"]], [None, "\ud800"]])
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {"a": 1.5, "b": ["x"]},
        {"a": None, "b": "\ud800"},
    ]


def test_parquet_has_the_types_of_the_first_rows():
    from pyarrow import parquet

    file = io.BytesIO()
    sink = sink_for("parquet", file, ["a", "b", "c"])
    sink.write([[1, ["x"], None]])
    sink.write([[2, [], "late"]])
    sink.close()
    assert parquet.read_table(io.BytesIO(file.getvalue())).to_pydict() == {
        "a": [1, 2],
        "b": [["x"], []],
        "c": [None, "late"],
    }
    sink = sink_for("parquet", io.BytesIO(), ["a"])
    with pytest.raises(
        UserError, match=r"column 'a' cannot be written as parquet: .*; format='jsonl' takes cells of any type"
    ):
        sink.write([[1], ["x"]])


def test_what_killed_processes_have_left_goes(tmp_path):
    names = (".writing-12-out.csv", ".writing-13-out.csv", ".writing-12-my-out.csv", ".writing-out.csv", "12-out.csv")
    for name in names:
        (tmp_path / name).touch()
        if name != ".writing-13-out.csv":  # another process may be at it
            os.utime(tmp_path / name, (0, 0))
    with replacing(str(tmp_path / "out.csv")) as file:
        file.write(b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", *names[1:]}


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "out.csv"
    with replacing(str(path)) as file:
        file.write(b"old")

    def half():
        with replacing(str(path)) as file:
            file.write(b"new")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        half()
    assert [(one.name, one.read_bytes()) for one in path.parent.iterdir()] == [("out.csv", b"old")]
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with replacing(str(link)) as file, packed(file, "x.csv.gz") as inside:
        inside.write(b"packed")
    assert link.is_symlink()
    assert gzip.decompress(path.read_bytes()) == b"packed"


def test_the_suffix_says_the_format(tmp_path):
    named = {
        "a.CSV": "csv",
        "a.tsv": "tsv",
        "a.csv.gz": "csv",
        "a.ndjson": "jsonl",
        "a.parquet": "parquet",
        "-": "csv",
        "a": "csv",
    }
    assert {name: format_for(name, None) for name in named} == named
    assert format_for("a.txt", "tsv") == "tsv"
    assert [on_stdout(one) for one in ("-", "/dev/stdout", None, "a.csv")] == [True, True, False, False]
    for name in ("a.xlsx", "a.json", "a.zip", str(tmp_path)):
        with pytest.raises(UserError, match="out="):
            format_for(name, None)


def test_names_that_the_file_has_get_a_mark_and_labels_a_separator_that_no_name_has():
    notes = []
    assert header(["predicted", "predicted (model)", "x"], ["predicted", "p x"], "csv", notes) == [
        *("predicted", "predicted (model)", "x", "predicted (model 2)", "p x")
    ]
    assert notes == ["the file has a column 'predicted': the prediction is in 'predicted (model 2)'"]
    assert header(["", ""], ["p a"], "jsonl", notes) == ["", " (1)", "p a"]
    assert header(["", ""], ["p a"], "csv", notes) == ["", "", "p a"]
    assert [separator_for(names, asked) for names, asked in ((["a"], None), (["a, b"], None), (["a, b"], "|"))] == [
        *(", ", "; ", "|")
    ]
