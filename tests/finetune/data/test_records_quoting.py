"""Quotation marks: a cell over several lines is one cell, what may be two things is refused."""

import pytest

from finetune.arguments import as_arguments
from finetune.config import Data
from finetune.data.files import read_file
from finetune.errors import UserError

FILLER = [(f"a plain film number {n}", ("bad", "good")[n % 2]) for n in range(12)]


def saved(folder, name, rows, delimiter):
    """Rows as they are, without a writer's help."""
    text = "".join(delimiter.join(row) + "\n" for row in [("text", "label"), *rows])
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


# What stands in the file, and what it means.
TSV = {
    "a cell over two lines": ('"first line\nsecond line"', "first line\nsecond line"),
    "a tab in a cell": ('"left\tright"', "left\tright"),
    "a mail with its footer": ('"Hi,\n\nno.\n--\nBob\tSales"', "Hi,\n\nno.\n--\nBob\tSales"),
    "marks inside, over two lines": ('"she said ""no""\nand left"', 'she said "no"\nand left'),
    "marks inside, in one line": ('"she said ""no"" and left"', 'she said "no" and left'),
    "a quotation at the start": ('"Hello" is all he said', '"Hello" is all he said'),
    "a mark that nothing closes": ('"Hello, she said', '"Hello, she said'),
    "inches": ('a 6" screen', 'a 6" screen'),
    "a mark at the end": ('he said "no"', 'he said "no"'),
}


@pytest.mark.parametrize(("cell", "meaning"), TSV.values(), ids=TSV)
@pytest.mark.parametrize("place", [0, 5, 12])
def test_a_tsv_means_what_its_cells_show(tmp_path, cell, meaning, place):
    rows, wanted = list(FILLER), list(FILLER)
    rows.insert(place, (cell, "bad"))
    wanted.insert(place, (meaning, "bad"))
    found = read_file(saved(tmp_path, "t.tsv", rows, "\t"))
    assert list(zip(found["text"], found["label"], strict=True)) == wanted


def test_a_header_in_marks_tells_that_cells_are_too(tmp_path):
    rows = [('"all"', "bad"), ("of it", "good")] * 6
    (tmp_path / "t.tsv").write_text('"text"\t"label"\n' + "".join(f"{text}\t{label}\n" for text, label in rows))
    assert read_file(tmp_path / "t.tsv") == {"text": ["all", "of it"] * 6, "label": ["bad", "good"] * 6}


CSV = {
    "a cell over three lines": ('"one\n\nthree"', "one\n\nthree"),
    "a comma in a cell": ('"one, two"', "one, two"),
    "marks doubled": ('"a ""fine"" film, it is"', 'a "fine" film, it is'),
    "html": ('"a<br /><br />b, c"', "a<br /><br />b, c"),
    "inches": ('a 6" screen', 'a 6" screen'),
    "backslashes": ('"a \\"fine\\" film, it is"', 'a "fine" film, it is'),
    "an empty cell in marks": ('""', ""),
}


@pytest.mark.parametrize(("cell", "meaning"), CSV.values(), ids=CSV)
@pytest.mark.parametrize("place", [0, 5, 12])
def test_a_csv_means_what_its_cells_show(tmp_path, cell, meaning, place):
    rows, wanted = list(FILLER), list(FILLER)
    rows.insert(place, (cell, "bad"))
    wanted.insert(place, (meaning, "bad"))
    found = read_file(saved(tmp_path, "t.csv", rows, ","))
    assert list(zip(found["text"], found["label"], strict=True)) == wanted


def test_a_reading_that_may_be_two_is_settled_by_the_option(tmp_path):
    path = saved(tmp_path, "t.tsv", [('"all"', "bad"), ("of it", "good"), ('"or"', "bad"), ("none", "good")] * 3, "\t")
    plain = read_file(path, Data(train_file=str(path), quoting="none"))
    quoted = read_file(path, Data(train_file=str(path), quoting="double"))
    assert (plain["text"][0], quoted["text"][0]) == ('"all"', "all")
    with pytest.raises(UserError, match=r"can be read in two ways: from line 2 on .* quoting='none' or quoting='double'"):
        read_file(path)


def test_what_was_found_out_is_said_with_its_option(tmp_path):
    told = []
    read_file(saved(tmp_path, "t.tsv", [*FILLER, ('"one\ntwo"', "bad")], "\t"), told=told)
    assert list(map(as_arguments, told)) == ["t.tsv is read with quotation marks around cells (quoting), by its content"]
