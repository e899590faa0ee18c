"""Line ends, control characters, blank lines and ragged rows: every row is one intact record."""

import pytest

from finetune.data.files import read_file
from finetune.errors import UserError

ROWS = [(f"film {n}, quite long", ("bad", "good")[n % 2]) for n in range(12)]


def csv_of(rows, end="\n", header="text,label"):
    return end.join([header, *(f'"{text}",{label}' for text, label in rows)]) + end


def read(folder, text, name="t.csv"):
    (folder / name).write_bytes(text.encode("utf-8"))
    found = read_file(folder / name)
    return list(zip(found["text"], found["label"], strict=True))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r", "\n\n", "\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\x00", "\x1a x"])
def test_line_ends_and_control_characters_stay_in_their_cell(tmp_path, end, inside):
    rows = [*ROWS, (f"one{inside}two", "bad"), *ROWS]
    assert read(tmp_path, csv_of(rows, end)) == rows


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1e", "\x00"])
def test_they_end_no_row_where_nothing_is_quoted(tmp_path, inside):
    rows = [("plain", "bad"), (f"one{inside}two", "good"), *[("more", "bad")] * 6]
    text = "".join(f"{a}\t{b}\n" for a, b in [("text", "label"), *rows])
    assert read(tmp_path, text, "t.tsv") == rows


@pytest.mark.parametrize(("end", "inside"), [("\n", "\r"), ("\r\n", "\n"), ("\r\n", "\r"), ("\r", "\n")])
def test_a_line_end_of_another_kind_ends_no_row_where_nothing_is_quoted(tmp_path, end, inside):
    rows = [("plain", "bad"), (f"one{inside}two", "good"), *[("more", "bad")] * 6]
    assert read(tmp_path, "".join(f"{a},{b}{end}" for a, b in [("text", "label"), *rows])) == rows


def test_a_last_line_without_an_end_counts(tmp_path):
    assert read(tmp_path, csv_of(ROWS).rstrip("\n")) == ROWS


@pytest.mark.parametrize("blank", ["\n", "\n\n\n", "   \n", "\t\n"])
def test_blank_lines_are_no_rows(tmp_path, blank):
    assert read(tmp_path, csv_of(ROWS) + blank) == ROWS
    assert read(tmp_path, csv_of(ROWS[:5]) + blank + csv_of(ROWS[5:]).split("\n", 1)[1]) == ROWS


def test_the_mark_that_ends_a_file_in_old_systems_is_no_row(tmp_path):
    assert read(tmp_path, csv_of(ROWS) + "\x1a") == ROWS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("bad", "cells"),
    [
        ("one,two,three", "3 cells"),
        ("lonely", "1 cell"),
        ("a,b,c,d", "4 cells"),
        (",,", "3 cells"),
        ("a, b, bad", "3 cells"),
    ],
)
@pytest.mark.parametrize("place", [0, 7, 12])
def test_a_ragged_row_is_refused_with_its_line(tmp_path, bad, cells, end, place):
    lines = csv_of(ROWS, end).split(end)
    lines.insert(1 + place, bad)
    with pytest.raises(UserError, match=rf"t\.csv cannot be read as csv: line {place + 2} has {cells},"):
        read(tmp_path, end.join(lines))


def test_lines_are_counted_as_an_editor_does_also_after_a_cell_of_several(tmp_path):
    lines = [f'"one\ntwo\nthree {n}",bad' for n in range(3)]
    text = "\n".join(["text,label", *lines, "a,b,c", "x,good"]) + "\n"
    with pytest.raises(UserError, match="line 11 has 3 cells"):
        read(tmp_path, text)


def test_a_header_does_not_run_over_a_line_end_of_another_kind(tmp_path):
    assert read(tmp_path, "text,label,more\ra\n,bad,0\r") == [("a\n", "bad")]


@pytest.mark.parametrize("header", ["text,label,", "text,label,,"])
def test_delimiters_at_the_end_of_every_line_are_empty_columns(tmp_path, header):
    more = header.count(",") - 1
    rows = [(f"film {n}", "bad") for n in range(12)]
    assert read(tmp_path, "\n".join([header, *(f"{a},{b}{',' * more}" for a, b in rows)]) + "\n") == rows


@pytest.mark.parametrize("header", ["text,label,label", "label,text,label", "text,text,label"])
def test_a_column_that_is_asked_for_and_there_twice_is_refused(tmp_path, header):
    text = header + "\na,b,c" * 12
    with pytest.raises(UserError, match=r"t\.csv has 2 columns named '(label|text)'; rename all but one"):
        read(tmp_path, text)


def test_other_columns_may_have_one_name(tmp_path):
    text = "\n".join(["text,x,label,x", *(f"a{n},1,bad,2" for n in range(12))]) + "\n"
    assert read(tmp_path, text) == [(f"a{n}", "bad") for n in range(12)]


@pytest.mark.parametrize("header", ['"text","label"', " text , label ", "\ufefftext,label", '\ufeff"text",label'])
def test_names_are_read_without_marks_and_blanks(tmp_path, header):
    assert read(tmp_path, csv_of(ROWS, header=header)) == ROWS
