"""Files of words with their tags, also as other people write them; and what is no such file."""

import pytest
from helpers.small_tasks import write_lines
from helpers.tagged_sentences import conll, sentences

from finetune.config import Data
from finetune.data.conll import looks_tagged, together
from finetune.data.files import read_file, read_tables
from finetune.data.load import load_task
from finetune.errors import UserError

TOLD = "is read as words with tags"
SMALL = [(["Ada", "met", "Bob"], ["B-per", "O", "B-per"]), (["in", "New", "York"], ["O", "B-loc", "I-loc"])]


def read(tmp_path, text, name="train.tsv", **data):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    told = []
    table = read_file(path, Data(train_file=str(path), **data), told)
    return table, told


def assert_small(table, word="text", tag="label"):
    assert list(zip(table[word], table[tag], strict=True)) == SMALL


@pytest.mark.parametrize("name", ["train.tsv", "train.conll", "train.bio", "train.txt", "train.iob2", "train.csv", "a.NER"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\t", " "),
        lambda text: text.replace("\t", "   "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", " \t \n"),
        lambda text: "\n\n \n" + text.replace("\n\n", "\n\t\n\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: "-DOCSTART- -X- O\n\n" + text,
        lambda text: "-DOCSTART-\tO\n\n" + text,
        lambda text: "# global.columns = FORM NE\n# newdoc id = 1\n" + text,
        lambda text: text.replace("\t", "\t-X-\t_\t"),
        lambda text: "word\ttag\n" + text,
    ],
)
def test_a_file_is_read_whatever_its_suffix_and_its_writer(tmp_path, name, change):
    table, told = read(tmp_path, change(conll(SMALL)), name)
    assert_small(table)
    assert TOLD in told[0]
    assert table.place(1).endswith(f"of {name})")


def test_what_is_no_word_is_said_with_its_number(tmp_path):
    text = "# a comment\n-DOCSTART- O\n\nword\ttag\n" + conll(SMALL)
    table, told = read(tmp_path, text)
    assert_small(table)
    assert told[1] == "train.tsv: left out, as no words: 1 line with -DOCSTART-, 1 comment and the header in line 4"


def test_marks_of_comments_are_words_where_they_have_a_tag(tmp_path):
    pairs = [(["#win", "#", "a#b"], ["B-x", "O", "O"]), (["# 1", "\u2028", '"'], ["O", "I-x", "O"])]
    table, told = read(tmp_path, conll(pairs))
    assert list(zip(table["text"], table["label"], strict=True)) == pairs
    assert len(told) == 1


@pytest.mark.parametrize(
    ("data", "words", "tags"),
    [
        ({}, ["The", "cat"], ["DET", "NOUN"]),
        ({"text_column": "3", "label_column": ("8",)}, ["the", "cat"], ["det", "nsubj"]),
    ],
)
def test_conll_u_has_its_words_and_tags_in_inner_columns(tmp_path, data, words, tags):
    rows = [
        ["1-2", "Thecat", *"_" * 8],
        ["1", "The", "the", "DET", "DT", "_", "2", "det", "_", "_"],
        ["2", "cat", "cat", "NOUN", "NN", "_", "0", "nsubj", "_", "_"],
        ["2.1", "x", *"_" * 8],
    ]
    text = "# sent_id = 1\n" + "\n".join("\t".join(row) for row in rows) + "\n\n"
    table, told = read(tmp_path, text * 2, "t.conllu", **data)
    word, tag = data.get("text_column", "text"), data.get("label_column", ("label",))[0]
    assert (table[word], table[tag]) == ([words] * 2, [tags] * 2)
    assert "columns 3 and 8 of 10" in told[0] if data else "columns 2 and 4 of 10" in told[0]
    assert "2 comments and 4 lines of several or no words" in told[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tO\nb\n\nc\tB-x\n", r"line 2 has 1 column, the others have 2: 'b'"),
        ("a O\n#tag\n\nc B-x\n", r"line 2 has 1 column, the others have 2: '#tag'"),
        ("a\tO\tx\nb\tB-x\n\nc\tB-x\n", r"line 1 has 3 columns, the others have 2: 'a O x'"),
        ("a,O\nb,B-x\n\nc,B-x\n", r"line 1 has one column \('a,O'\), not a word and its tag; .*delimiter"),
        ("a\tO\nb\tB-x\n", "no empty line ends a sentence, so all 2 words would be one"),
        ("\n\n\n", "has no rows"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(UserError, match=said) as raised:
        read(tmp_path, text, kind="tokens")
    assert "\n" not in str(raised.value)


def test_another_delimiter_is_told(tmp_path):
    assert_small(read(tmp_path, conll(SMALL, ","), "a.csv", delimiter=",", kind="tokens")[0])
    assert_small(read(tmp_path, conll(SMALL, "|"), "a.conll", delimiter="|")[0])


def test_columns_have_numbers(tmp_path):
    text = conll([([f"{n}\t{word}" for n, word in enumerate(words)], tags) for words, tags in SMALL])
    table, _ = read(tmp_path, text, text_column="2")
    assert_small(table, "2")
    for column, said in (
        ("4", "columns have numbers from 1 to 3"),
        ("word", "has no header"),
        ("3", "is already the column"),
    ):
        with pytest.raises(UserError, match=said):
            read(tmp_path, text, text_column=column)


TABLES = {
    "names of columns": "text\tlabel\nI win\tB-x\n\nO\tO\n\nyou\tI-x\n",
    "no empty line": "text\tlabel\na\tO\nb\tB-x\n",
    "word classes": "a\tNN\nb\tVB\n\nc\tNN\n",
    "texts": "a fine film\t1\n\na dull film\t0\n",
    "one column": "O\nB-x\n\nO\n",
    "letters": "a\tB\nb\tI\n\nc\tS\n",
    "all outside": "a\tO\nb\tO\n\nc\tO\n",
}


@pytest.mark.parametrize("name", [name for name in TABLES if name != "names of columns"])
def test_a_table_is_not_taken_for_sentences(name):
    assert not looks_tagged(TABLES[name], None)


def test_a_file_with_these_names_is_a_table_only_if_it_is_told(tmp_path):
    """Words and their tags with an empty line after each sentence are no texts with classes."""
    table, told = read(tmp_path, TABLES["names of columns"])
    assert table["text"] == [["I win"], ["O"], ["you"]]
    assert "the header in line 1" in told[1]
    table, told = read(tmp_path, TABLES["names of columns"], kind="classification")
    assert table["text"] == ["I win", "O", "you"]
    assert told == []


def test_words_with_tags_are_not_read_as_a_table_by_mistake(tmp_path):
    with pytest.raises(UserError, match=r"kind='classification': \.bio files are read as words .*kind='tokens'"):
        read(tmp_path, conll(SMALL), "train.bio", kind="classification")


def test_the_files_of_a_folder_are_told_together(tmp_path):
    for name in ("train.txt", "dev.txt", "test.txt"):
        (tmp_path / name).write_text(conll(SMALL))
    (tmp_path / "README.txt").write_text("nothing")
    told = []
    tables = read_tables(Data(data=str(tmp_path)), told)
    assert {split: table.rows for split, table in tables.items()} == {"train": 2, "validation": 2, "test": 2}
    assert sum(TOLD.replace("is", "are", 1) in line for line in told) == 1
    assert together(["a b", "c is read as d"]) == ["a b", "c is read as d"]


def test_a_table_comes_before_text_files_beside_it(tmp_path):
    write_lines(tmp_path / "train.jsonl", [{"text": "a", "label": 1}])
    (tmp_path / "train.txt").write_text(conll(SMALL))
    assert read_tables(Data(data=str(tmp_path)))["train"]["text"] == ["a"]


def test_a_test_file_may_have_no_tags(tmp_path):
    (tmp_path / "train.conll").write_text(conll(sentences(40)))
    (tmp_path / "test.conll").write_text("ada\nmet\n\nbob\n\n")
    task = load_task(Data(data=str(tmp_path)))
    assert (task.kind, task.test.labelled, task.test.texts) == ("tokens", False, ["ada met", "bob"])
    assert any("test.conll has no column 'label'" in line for line in task.notes)
    assert any("read as words without tags" in line for line in task.notes)


def test_words_with_plain_tags_are_read_if_told_and_the_message_says_so(tmp_path):
    text = conll([(["a", "cat", "sat"], ["DT", "NN", "VB"])] * 12)
    with pytest.raises(UserError, match=r"looks like a row.*for words with tags, .*give kind='tokens'"):
        read_task(tmp_path, text)
    for given, metric in (({"kind": "tokens"}, None), ({}, "token_accuracy")):
        assert read_task(tmp_path, text, metric, **given).names == ("DT", "NN", "VB")


def read_task(tmp_path, text, metric=None, **data):
    (tmp_path / "train.tsv").write_text(text)
    return load_task(Data(data=str(tmp_path), **data), metric)
