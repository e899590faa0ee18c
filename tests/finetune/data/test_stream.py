"""Files as sources of rows: read in blocks, whatever their format, encoding, packing and line ends; strictly."""

import bz2
import gzip
import json
import lzma
import zipfile

import pytest
from helpers.languages import GERMAN

from finetune.config import Data
from finetune.data import stream
from finetune.data.stream import source_of
from finetune.data.stream_word_rows import gathered_source
from finetune.data.stream_words import sentences_of
from finetune.errors import UserError

DATA = Data(task="reviews")
ROWS = [["1", "a café", "x"], ["2", 'the "best", ever', "y"], ["3", "two\nlines", ""], ["4", "", "z"]]
CSV = 'id,text,note\n1,a café,x\n2,"the ""best"", ever",y\n3,"two\nlines",\n4,,z\n'


def read(path, data=DATA, size=3):
    source = source_of(path, data)
    blocks = list(source.blocks(size))
    assert [block.first for block in blocks] == list(range(0, sum(len(block.cells) for block in blocks), size))
    assert [row for block in source.blocks(1) for row in block.cells] == [row for block in blocks for row in block.cells]
    return source, [row for block in blocks for row in block.cells], [line for block in blocks for line in block.lines]


WRITTEN = {
    "plain.csv": CSV.encode(),
    "dos.csv": CSV.replace("\n", "\r\n").encode(),
    "mac.csv": CSV.replace("\n", "\r").encode(),
    "mark.csv": CSV.encode("utf-8-sig"),
    "wide.csv": CSV.encode("utf-16"),
    "wide2.csv": CSV.encode("utf-16-be"),
    "excel.csv": b"sep=;\n" + CSV.replace(",", ";").replace('"";', '"",').encode(),
    "semicolons.csv": CSV.replace(",", ";").replace('"";', '"",').encode(),
    "tabs.tsv": CSV.replace(",", "\t").replace('""\t', '"",').encode(),
    "no_end.csv": CSV[:-1].encode(),
    "empty_lines.csv": ("\n" + CSV.replace("\n4", "\n\n\n4") + "\n\n").encode(),
    "packed.csv.gz": gzip.compress(CSV.encode()),
    "packed.csv.bz2": bz2.compress(CSV.encode()),
    "packed.csv.xz": lzma.compress(CSV.encode()),
    "UPPER.CSV": CSV.encode(),
}


@pytest.mark.parametrize("small", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize("name", WRITTEN)
def test_tables_however_they_are_written(tmp_path, monkeypatch, name, small):
    if small:
        monkeypatch.setattr(stream, "HEAD", 56)  # the header and three rows, one of which is cut
    path = tmp_path / name
    path.write_bytes(WRITTEN[name])
    source, rows, lines = read(path)
    end = {"dos.csv": "\r\n", "mac.csv": "\r"}.get(name, "\n")
    assert source.names == ("id", "text", "note")
    assert rows == [[cell.replace("\n", end) for cell in row] for row in ROWS]
    if name == "plain.csv":
        assert lines == [2, 3, 4, 6]
        assert source.place(3, 6) == "row 4 (line 6 of plain.csv)"


def test_another_encoding_is_seen_or_given(tmp_path):
    path = tmp_path / "old.csv"
    words = GERMAN * 9
    path.write_bytes("\n".join(["text;id", *[f"{word};1" for word in words]]).encode("cp1252"))
    source, rows, _ = read(path)
    assert [cell for cell, _ in rows] == words
    assert str(source.notes[0]).startswith("old.csv is read as cp1252, by its bytes")
    path.write_bytes("text\nпривет\n".encode("koi8_r"))
    assert read(path, DATA.model_copy(update={"encoding": "koi8-r"}))[1] == [["привет"]]


def test_one_column_keeps_its_empty_cells_and_two_columns_their_one_name(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text('text\n"a"\n""\n"  "\n\nb\n')
    assert read(path)[1] == [["a"], [""], ["  "], ["b"]]
    path.write_text(",text,\n0,a,x\n1,b,y\n")
    source, rows, _ = read(path)
    assert (source.names, rows) == (("", "text", ""), [["0", "a", "x"], ["1", "b", "y"]])


@pytest.mark.parametrize("small", [False, True], ids=["whole", "in parts"])
def test_json_lines_and_other_json(tmp_path, monkeypatch, small):
    if small:
        monkeypatch.setattr(stream, "HEAD", 40)
    found = [{"id": 1, "text": "a\u2028b"}, {"text": None, "more": [1, {"x": 2}]}, {"id": 3.5, "text": "c", "more": True}]
    expected = [[1, "a\u2028b", None], [None, None, [1, {"x": 2}]], [3.5, "c", True]]
    path = tmp_path / "a.jsonl"
    path.write_text("\ufeff" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in found) + "\r\n", encoding="utf-8")
    source, rows, lines = read(path)
    assert (source.names, rows) == (("id", "text", "more"), expected)
    assert lines == [1, 3, 5]
    path.write_text(json.dumps(found, indent=1))
    source, rows, _ = read(path)
    assert rows == expected
    assert [str(note) for note in source.notes] == (
        ["a.jsonl is one JSON value, so it is held in memory; JSON lines are not"] if small else []
    )


def test_parquet(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr("finetune.data.stream_parquet.BATCH", 2)
    path = tmp_path / "a.parquet"
    pandas.DataFrame({"id": [7, 8, 9], "text": ["a", None, "c"], "tags": [["x"], [], ["y", "z"]]}).to_parquet(path)
    source, rows, lines = read(path)
    assert (source.names, lines) == (("id", "text", "tags"), [0, 0, 0])
    assert rows == [[7, "a", ["x"]], [8, None, []], [9, "c", ["y", "z"]]]
    assert source.place(1, 0) == "row 2 of a.parquet"


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, CSV)


def test_zips(tmp_path):
    zipped(tmp_path / "a.csv.zip", "__MACOSX/x", "in/a.csv")
    assert read(tmp_path / "a.csv.zip")[1] == ROWS
    zipped(tmp_path / "b.csv.zip", "a.csv", "b.csv")
    with pytest.raises(UserError, match="holds 2 files; unpack it and name one"):
        source_of(tmp_path / "b.csv.zip", DATA)


LONG = "".join(f"{n},text {n},\n" for n in range(40))
BROKEN = {
    "wide.csv": (CSV + LONG + "41,a,b,c\n" + LONG, "line 47 has 4 cells, but the header has 3"),
    "open.csv": (CSV + LONG + '41,"a,b\n' + LONG, "a quotation mark opens a cell there that is never closed"),
    "shut.csv": (CSV + LONG + '41,"a"b,c\n' + LONG, "a quotation mark opens a cell there"),
    "lines.jsonl": ('{"text": "a"}\n' * 40 + '{"text": "b"\n', "line 41, character 13"),
    "twice.jsonl": ('{"text": "a"}\n' * 40 + '{"text": 1, "text": 2}\n', "in line 41 has the key 'text' twice"),
    "list.jsonl": ('{"text": "a"}\n' * 40 + "[1]\n", "line 41 is '[1]', not an object with a value for each column"),
    "deep.jsonl": ('{"text": "a"}\n' * 40 + "[" * 100_000 + "\n", "line 41 is nested too deeply"),
    "bytes.csv": (CSV.encode() + LONG.encode() + b"41,\xff,c\n", "line 47 is not utf-8; give another"),
    "bytes.jsonl": (b'{"text": "a"}\n' * 40 + b'{"text": "\xff"}\n', "line 41 is not utf-8; give another"),
    "half.csv.gz": (gzip.compress((CSV + LONG).encode())[:-20], "cannot be unpacked"),
    "no.csv.gz": (b"text\na\n", "cannot be unpacked"),
    "no.csv.zip": (b"text\na\n", "cannot be unpacked"),
    "no.parquet": (b"text\na\n", "cannot be read as parquet"),
    "nothing.csv": (b"", "is empty"),
    "nothing.csv.gz": (gzip.compress(b""), "is empty"),
    "book.xlsx": (b"PK", "cannot read .xlsx; use .csv"),
    "name": (b"text\na\n", "cannot read a file without suffix"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, monkeypatch, name):
    monkeypatch.setattr(stream, "HEAD", 300)
    content, what = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"book|name|\w") as refused:
        list(source_of(path, DATA).blocks(8))
    assert what in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


WORDS = "-DOCSTART- -X-\n\nada NNP\nmet VB\n\n# a comment of five words\r\nbob NNP\n"


def test_words_one_a_line_keep_their_lines(tmp_path):
    path = tmp_path / "a.conll"
    path.write_bytes(WORDS.encode())
    source = sentences_of(path, DATA)
    assert [(cells[0], line) for cells, line in source.records()] == [(["ada", "met"], 3), (["bob"], 7)]
    written = "".join(source.with_tags([["B-per", "O"], ["B-per"]]))
    assert written == WORDS.replace("NNP", "NNP B-per").replace("VB", "VB O")
    path.write_text("ada\tx")
    assert "".join(sentences_of(path, DATA).with_tags([["O"]])) == "ada\tx\tO\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "tokens,id\nada met bob,1\n", False),
        ("a.csv", "ada\nmet\n\nbob\n", True),
        ("a.tsv", "ada\tB-per\nmet\tO\n\nbob\tB-per\n", True),
        ("a.tsv", "text\tid\nada met\t1\n\nbob\t2\n", False),
        ("a.txt", "ada\n", True),
        ("a.jsonl", '{"tokens": ["ada"]}\n', False),
    ],
)
def test_what_is_a_table_and_what_words(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    assert (sentences_of(path, DATA) is not None) is words


def test_a_table_with_a_word_in_each_row_is_read_as_sentences(tmp_path):
    path = tmp_path / "ner.csv"
    path.write_text("Sentence #,Word,POS\nSentence: 1,Ada,NNP\n,met,VB\nSentence: 2,Bob,NNP\n")
    source = gathered_source(source_of(path, DATA), DATA)
    assert source.rowwise
    [block] = source.blocks(9)
    assert block.cells == [
        [["Sentence: 1", ""], ["Ada", "met"], ["NNP", "VB"]],
        [["Sentence: 2"], ["Bob"], ["NNP"]],
    ]
    assert block.lines == [2, 4]
    path.write_text("Sentence #,Word\n1,Ada\n,met\n1,Eve\n2,Bob\n")  # a number that is said again begins nothing
    [block] = gathered_source(source_of(path, DATA), DATA).blocks(9)
    assert block.column(1) == [["Ada", "met", "Eve"], ["Bob"]]
    path.write_text("sentence,text\n1,ada met bob\n2,bob met ada\n")
    assert not gathered_source(source_of(path, DATA), DATA).rowwise
