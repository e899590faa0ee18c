"""What stands between cells: found out and said, or named by the option."""

import csv
import io

import pytest

from finetune.arguments import as_arguments
from finetune.config import Data
from finetune.data.files import read_file
from finetune.errors import UserError

ROWS = [(f"film {n}: it was fine", ("bad", "good")[n % 2], f"{n},5") for n in range(12)]


def saved(folder, delimiter, rows=ROWS, header=("text", "label", "score"), name="t.csv", above=""):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([header, *rows])
    (folder / name).write_bytes((above + text.getvalue()).encode())
    return folder / name


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "^", "~"])
def test_another_delimiter_is_found_and_said(tmp_path, delimiter):
    told = []
    found = read_file(saved(tmp_path, delimiter), told=told)
    assert list(zip(*found.values(), strict=True)) == ROWS
    said = f"t.csv is read with cells that end at {delimiter!r} (delimiter), by its content"
    assert list(map(as_arguments, told)) == [said]


def test_semicolons_with_commas_as_decimal_points_everywhere(tmp_path):
    rows = [(f"eins, zwei, {n}", f"{n % 5},0", "a,b") for n in range(12)]
    found = read_file(saved(tmp_path, ";", rows))
    assert list(zip(*found.values(), strict=True)) == rows


def test_the_line_that_excel_puts_above_the_header_names_it(tmp_path):
    path = saved(tmp_path, ";", above="sep=;\r\n")
    assert list(zip(*read_file(path).values(), strict=True)) == ROWS
    with path.open("ab") as file:
        file.write(b"a;b;c;d\r\n")
    with pytest.raises(UserError, match="line 15 has 4 cells"):
        read_file(path)


def test_where_two_fit_the_columns_that_are_asked_for_decide(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text;label;note,more\n" + "".join(f"film {n};bad;a,b\n" for n in range(12)))
    assert list(read_file(path, Data(train_file=str(path)))) == ["text", "label", "note,more"]
    asked = Data(train_file=str(path), text_column="text;label;note", label_column=("more",))
    assert list(read_file(path, asked)) == ["text;label;note", "more"]


def test_a_comma_file_with_semicolons_in_its_texts_stays_one(tmp_path):
    rows = [(f"one; two; {n}", "bad", "1") for n in range(12)]
    told = []
    found = read_file(saved(tmp_path, ",", rows), told=told)
    assert list(zip(*found.values(), strict=True)) == rows
    assert told == []


def test_a_tsv_of_commas_is_found_out_too(tmp_path):
    told = []
    found = read_file(saved(tmp_path, ",", name="t.tsv"), told=told)
    assert list(zip(*found.values(), strict=True)) == ROWS
    assert len(told) == 1
    assert "cells that end at ',' (delimiter)" in as_arguments(told[0])


def test_the_option_decides_and_nothing_is_said(tmp_path):
    path = saved(tmp_path, ";", header=("text,x", "label", "score"))
    told = []
    found = read_file(path, Data(train_file=str(path), delimiter=";"), told)
    assert list(found) == ["text,x", "label", "score"]
    assert told == []


@pytest.mark.parametrize(("given", "meant"), [("tab", "\t"), ("\\t", "\t"), ("|", "|")])
def test_the_option_may_be_written_in_words(given, meant):
    assert Data(task="reviews", delimiter=given).delimiter == meant


@pytest.mark.parametrize("given", ["", "ab", "\n", '"'])
def test_what_is_no_delimiter_is_refused(given):
    with pytest.raises(ValueError, match="give one character, or tab"):
        Data(task="reviews", delimiter=given)


def test_one_column_alone_is_one_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text\n" + "".join(f"a film {n}\n" for n in range(12)))
    assert read_file(path) == {"text": [f"a film {n}" for n in range(12)]}
