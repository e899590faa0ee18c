"""Tables with a word in each row, files that number their words, and spans of characters."""

import csv

import pytest
from helpers.small_tasks import write_lines

from finetune.config import Data
from finetune.data.files import read_tables
from finetune.data.load import load_task
from finetune.data.word_rows import gathered
from finetune.errors import UserError

SENTENCES = [(["Zoë", '"', "met", "Bob"], ["B-per", "O", "O", "B-per"]), (["in", "New", "York"], ["O", "B-loc", "I-loc"])]
LINES = [(n, word, tag) for n, pair in enumerate(SENTENCES * 10) for word, tag in zip(*pair, strict=True)]


def rows(number, first_only=False):
    """A row for each word: the number of its sentence, the word, its part of speech, its tag."""
    before, found = None, []
    for n, word, tag in LINES:
        found.append(("" if first_only and n == before else number(n), word, "XY", tag))
        before = n
    return found


def write(path, header, cells, encoding="utf-8", delimiter=","):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *cells])
    return str(path)


def read(file, **data):
    told, asked = [], Data(train_file=file, **data)
    tables, found = gathered(read_tables(asked, told), asked, told)
    return tables["train"], found, told


@pytest.mark.parametrize(
    ("header", "cells", "form", "data"),
    [
        (["Sentence #", "Word", "POS", "Tag"], rows("Sentence: {}".format, True), {}, {}),
        (["Sentence #", "Word", "POS", "Tag"], rows("Sentence: {}".format, True), {"encoding": "cp1252"}, {}),
        (["Sentence #", "Word", "POS", "Tag"], rows("Sentence: {}".format), {"delimiter": "\t"}, {"kind": "tokens"}),
        (["sentence_id", "words", "pos", "labels"], rows(str), {}, {}),
        (["SentID", "form", "x", "y"], rows(str), {}, {"text_column": "form", "label_column": ("y",)}),
        (["sentence_idx", "token", "lemma", "tag"], rows(lambda n: f"{n % 2}.0", True), {}, {"kind": "tokens"}),
        (["sent", "text", "pos", "label"], rows(str, True), {}, {}),
    ],
)
def test_rows_of_words_become_sentences(tmp_path, header, cells, form, data):
    table, found, told = read(write(tmp_path / "t.csv", header, cells, **form), **data)
    assert list(zip(table[found.text_column], table[found.label_column[0]], strict=True)) == SENTENCES * 10
    assert (found.kind, table.place(1)) == ("tokens", " (line 6 of t.csv)")
    assert "one a row" in told[-1]
    assert "20 train sentences of 70 words" in told[-1]


def test_words_are_texts_if_that_is_asked(tmp_path):
    file = write(tmp_path / "t.csv", ["sentence_id", "text", "pos", "label"], rows(str))
    assert load_task(Data(train_file=file, kind="classification")).kind == "classification"
    file = write(tmp_path / "u.csv", ["sentence_id", "text", "pos", "label"], [(a, b, c, b) for a, b, c, _ in rows(str)])
    assert load_task(Data(train_file=file)).kind == "classification"


@pytest.mark.parametrize("data", [{}, {"kind": "tokens"}])
@pytest.mark.parametrize("header", [["id", "word", "pos", "tag"], ["line", "text", "pos", "label"]])
def test_words_without_sentences_are_refused(tmp_path, header, data):
    file = write(tmp_path / "t.csv", header, [(n, *row[1:]) for n, row in enumerate(rows(str))])
    with pytest.raises(
        UserError, match=r"each row of the train data is one word .'Zoë'., and no column numbers the sentences"
    ):
        read(file, **data)


def test_a_split_without_the_number_is_refused(tmp_path):
    train = write(tmp_path / "t.csv", ["sentence_id", "word", "pos", "tag"], rows(str))
    test = write(tmp_path / "u.csv", ["n", "word", "pos", "tag"], rows(str))
    with pytest.raises(UserError, match="the test data has no column 'sentence_id'"):
        load_task(Data(train_file=train, test_file=test))


def test_a_column_that_counts_words_is_not_the_word(tmp_path):
    lines = []
    for first in (1, 0):
        for n, (words, tags) in enumerate(SENTENCES * 6):
            body = [f"{first + i}\t{one}\t{tag}\tO" for i, (one, tag) in enumerate(zip(words, tags, strict=True))]
            lines += [f"#\thttp://example.org/{n} [2009-10-17]", *body, ""]
        (tmp_path / f"{first}.tsv").write_text("\n".join(lines).replace("York\tI-loc\tO", "York\tI-loc\tB-loc", 2))
        table, _, told = read(str(tmp_path / f"{first}.tsv"))
        assert list(zip(table["text"], table["label"], strict=True)) == SENTENCES * 6
        assert "from columns 2 and 3 of 4" in told[0]
        lines = []


@pytest.mark.parametrize("name", ["eng.train", "eng.testa", "zh.dev", "a.test"])
def test_suffixes_may_name_the_split(tmp_path, name):
    (tmp_path / name).write_text(
        "\n".join(f"{word} XY {tag}" for word, tag in zip(*SENTENCES[1], strict=True)) + "\n\nx XY O\n"
    )
    table, _, _ = read(str(tmp_path / name))
    assert (table["text"], table["label"]) == ([SENTENCES[1][0], ["x"]], [SENTENCES[1][1], ["O"]])


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("label", [[0, 5, "PER"]]),
        ("labels", [[0, 5, "PER"]]),
        ("entities", [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 5}]),
        ("spans", [{"start": 0, "end": 5, "label": "PER"}]),
        ("label", [{"start": 0, "end": 5, "labels": ["PER"]}]),
        ("annotations", [{"result": [{"value": {"start": 0, "end": 5, "labels": ["PER"]}}]}]),
        ("label", "[(0, 5, 'PER')]"),
    ],
)
@pytest.mark.parametrize("data", [{}, {"kind": "tokens"}])
def test_spans_are_refused_with_what_would_be_right(tmp_path, column, cell, data):
    empty = "" if isinstance(cell, str) else []
    file = write_lines(tmp_path / "t.jsonl", [{"text": f"Peter {n}", column: cell if n else empty} for n in range(12)])
    with pytest.raises(UserError, match=rf"{column}'?: row 2 of .* span of characters .*; spans are not read: write a list"):
        load_task(Data(train_file=file, **data))


def sentences(words, tags, names=("text", "label")):
    return [{names[0]: words(one), names[1]: tags(other)} for one, other in SENTENCES * 10]


@pytest.mark.parametrize(
    ("words", "tags", "names", "data"),
    [
        (" ".join, " ".join, ("text", "label"), {}),
        (" ".join, list, ("text", "label"), {}),
        (list, " ".join, ("text", "label"), {}),
        (" ".join, " ".join, ("sentence", "iob"), {"text_column": "sentence", "label_column": ("iob",)}),
        (" ".join, list, ("tokens", "ner_tags"), {"kind": "tokens"}),
        (list, " ".join, ("tokens", "tags"), {"kind": "tokens"}),
        (" ".join, " ".join, ("text", "labels"), {"metric": "entity_f1"}),
    ],
)
def test_texts_with_a_tag_for_each_word_are_sentences(tmp_path, words, tags, names, data):
    metric = data.get("metric")
    given = {name: value for name, value in data.items() if name != "metric"}
    task = load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", sentences(words, tags, names)), **given), metric)
    assert (task.kind, set(task.names)) == ("tokens", {"O", "B-per", "B-loc", "I-loc"})
    assert set(task.train.texts) == {" ".join(one) for one, _ in SENTENCES}
    if not data:
        assert "column label holds the tags of words; kind='multilabel' takes them" in " ".join(map(str, task.notes))


@pytest.mark.parametrize(
    ("words", "tags", "reason"),
    [
        (" ".join, lambda tags: str(list(tags)), "not a list of tags .*; a list that is written as a text is not read"),
        (lambda words: str(list(words)), list, "not a list of words .*; a list that is written as a text is not read"),
        (" ".join, ",".join, "4 words and 1 tag .*; each word needs one, between blanks and not commas"),
    ],
)
def test_tags_that_cannot_be_read_are_no_labels_of_a_text(tmp_path, words, tags, reason):
    file = write_lines(tmp_path / "t.jsonl", sentences(words, tags))
    with pytest.raises(UserError, match=reason):
        load_task(Data(train_file=file))


@pytest.mark.parametrize(("tags", "kind"), [(list, "multilabel"), (" ".join, "classification")])
def test_tags_are_labels_of_a_text_if_that_is_asked(tmp_path, tags, kind):
    file = write_lines(tmp_path / "t.jsonl", sentences(" ".join, tags))
    assert load_task(Data(train_file=file, kind=kind)).kind == kind


@pytest.mark.parametrize("labels", [["O", "B-per"], ["B and O", "O"], [["spam", "O"], ["B-side"]], [["O"], ["B-per"]]])
def test_labels_that_only_look_like_tags_stay_labels(tmp_path, labels):
    rows = [{"text": f"a text {n}", "label": labels[n % 2]} for n in range(20)]
    assert load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", rows))).kind in ("classification", "multilabel")


@pytest.mark.parametrize(
    ("tags", "said"), [([0, 1, 1], "B- (numbers without names): they are"), (["X", "Y", "Y"], "B-: they are")]
)
def test_numbers_without_names_are_said(tmp_path, tags, said):
    rows = [{"tokens": ["a", "b", str(n)], "ner_tags": tags} for n in range(12)]
    task = load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", rows)))
    assert said in " ".join(map(str, task.notes))


def test_cells_over_several_lines_may_be_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,text\n" + "".join(f'{n},"a text {n}\nmore, of ""it"""\n' for n in range(12)))
    with pytest.raises(UserError, match=r"quoting='none' takes .* part of the text, quoting='double' as the ends of cells"):
        read(str(path))
    table, _, _ = read(str(path), quoting="double")
    assert table["text"][0] == 'a text 0\nmore, of "it"'
