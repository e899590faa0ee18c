"""One file: what is read is what was written."""

import csv
import json
import logging
import tempfile

import datasets
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.files import read_file
from finetune.errors import UserError

AWKWARD = [
    '"Hello',
    'he said "no',
    "null",
    "NA",
    "nan",
    "  spaces  ",
    "#hash",
    "Grüße, 世界 🙂",
    "\u2028line",
    "1e5",
    "'",
    "a,b",
]
LABELS = ["007", "7", "NA", "null", "True", "1.50", "-0", "x", "0x1", "1_000", "None", "y"]
# What ends a cell or a row, or cannot be in a text file at all.
cells = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\0"), min_size=1).filter(lambda text: text.strip())
anything = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))


@pytest.fixture
def logged():
    """What the ``datasets`` package writes to its log."""
    handler, found = logging.Handler(), []
    handler.emit = lambda record: found.append(record.getMessage())
    logging.getLogger("datasets").addHandler(handler)
    yield found
    logging.getLogger("datasets").removeHandler(handler)


def tsv(path, rows):
    path.write_text("".join("\t".join(row) + "\n" for row in [("text", "label"), *rows]), encoding="utf-8", newline="")
    return path


def test_tsv_has_no_quoting_and_keeps_every_cell_as_text(tmp_path):
    found = read_file(tsv(tmp_path / "a.tsv", zip(AWKWARD, LABELS, strict=True)))
    assert found == {"text": AWKWARD, "label": LABELS}


@settings(max_examples=20)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1))
def test_tsv_round_trip(tmp_path_factory, rows):
    found = read_file(tsv(tmp_path_factory.mktemp("tsv") / "a.tsv", rows))
    assert list(zip(found["text"], found["label"], strict=True)) == rows


def test_csv_has_quoting_embedded_newlines_and_text_cells(tmp_path):
    rows = [*zip(AWKWARD, LABELS, strict=True), ('two\nlines, and a "quote"', "")]
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    found = read_file(path)
    assert list(zip(found["text"], found["label"], strict=True)) == rows


@settings(max_examples=20)
@given(rows=st.lists(st.tuples(anything, anything), min_size=1))
def test_csv_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    found = read_file(path)
    assert list(zip(found["text"], found["label"], strict=True)) == rows


@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_lines_keep_text_and_numbers(tmp_path, ascii_only):
    rows = [
        {"text": f"{text}\n\t", "label": label, "n": n} for n, (text, label) in enumerate(zip(AWKWARD, LABELS, strict=True))
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows), encoding="utf-8")
    assert read_file(path) == {name: [row[name] for row in rows] for name in ("text", "label", "n")}


def test_json_may_be_one_list(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "a", "label": 1}, {"text": "b", "label": 2}]))
    assert read_file(path) == {"text": ["a", "b"], "label": [1, 2]}


def test_parquet_keeps_types(tmp_path):
    columns = {"text": AWKWARD, "label": LABELS, "score": [n / 7 for n in range(len(LABELS))]}
    path = tmp_path / "a.parquet"
    pd.DataFrame(columns).to_parquet(path)
    assert read_file(path) == columns


def test_reading_leaves_no_copy_of_the_data(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    read_file(tsv(tmp_path / "a.tsv", [("one", "x")]))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]


def test_reading_twice_sees_what_changed(tmp_path):
    path = tsv(tmp_path / "a.tsv", [("one", "x")])
    assert read_file(path)["text"] == ["one"]
    tsv(path, [("two", "x")])
    assert read_file(path)["text"] == ["two"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tsv", b"", "is empty"),
        ("a.tsv", b"text\tlabel\n", "a.tsv"),
        ("a.tsv", b"text\tlabel\ncaf\xe9\tx\n", "utf-8"),
        ("a.tsv", b"text\tlabel\na\tx\nb\tx\tmore\n", "line 3"),
        ("a.tsv", b"text\tlabel\na\tx\t\nb\tx\t\n", "line 2 has 3 cells, but the header has 2"),
        ("a.csv", b'text,label\n"never closed,x\n', "a.csv"),
        ("a.jsonl", b'{"text": "a", "label"\n', "cannot be read as jsonl"),
        ("a.parquet", b"this is no parquet", "cannot be read as parquet"),
        ("a.txt", b"text", ".txt"),
        ("a", b"text", "without suffix"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line_and_nothing_else(tmp_path, capfd, logged, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        read_file(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert logged == []


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.tsv: there is no such file"):
        read_file(tmp_path / "none.tsv")
