"""Columns of groups and of folds, as files have them: what is read, and what is said."""

import json

import numpy as np
import pytest
from helpers.fold_files import WRITERS, as_csv, rows
from helpers.small_tasks import write_lines

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.folds import Folds


@pytest.fixture
def test(tmp_path):
    return write_lines(tmp_path / "test.jsonl", [{"text": f"test {n}"} for n in range(3)])


def folded(task):
    return [np.flatnonzero(task.fold_of == fold).tolist() for fold in range(task.folds)]


# What a column may hold, and the fold of each of five rows.
FOLDS = {
    "numbers": ([0, 1, 2, 1, 0], [0, 1, 2, 1, 0]),
    "from one": ([1, 2, 3, 2, 1], [0, 1, 2, 1, 0]),
    "fractions": ([0.0, 1.0, 2.0, 1.0, 0.0], [0, 1, 2, 1, 0]),
    "ten comes after nine": ([10, 9, 10, 9, 8], [2, 1, 2, 1, 0]),
    "texts": (["fold_b", "fold_a", " fold_b", "fold_c ", "fold_a"], [1, 0, 1, 2, 0]),
    "numbers as texts": (["10", "9", "10", "+11", "9.0"], [1, 0, 1, 2, 0]),
    "yes and no": ([True, False, False, True, True], [1, 0, 0, 1, 1]),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(("values", "expected"), FOLDS.values(), ids=FOLDS)
def test_values_of_a_fold_column_are_the_folds_in_their_order(tmp_path, test, name, values, expected):
    file = WRITERS[name](tmp_path / name, rows(25, part=values * 5))
    task = load_task(Data(train_file=file, test_file=test), None, Folds(fold_column="part"))
    assert task.fold_of.tolist() == expected * 5
    assert load_task(Data(train_file=file, test_file=test), None, Folds(fold_column="part", folds=task.folds)).folds


def test_folds_by_column_are_told_with_their_names(tmp_path, test):
    file = write_lines(tmp_path / "t.jsonl", rows(24, part=lambda n: ["north", "south", "south", "west"][n % 4]))
    task = load_task(Data(train_file=file, test_file=test), None, Folds(fold_column="part"))
    assert "3 folds, by column part (north, south, west): 12 to 18 train and 6 to 12 validation rows" in task.notes
    file = write_lines(tmp_path / "t.jsonl", rows(12, part=lambda n: n % 6))  # two rows each are folds, not ids
    assert load_task(Data(train_file=file, test_file=test), None, Folds(fold_column="part")).folds == 6


GROUPS = {
    "numbers": lambda n: n % 6,
    "numbers with gaps": lambda n: 1000 * (n % 6),
    "fractions": lambda n: float(n % 6),
    "blanks around": lambda n: [" ann", "ann ", "bob", "cy", "dee", "eve"][n % 6],
    "not ascii": lambda n: ["é", "ü", "漢", "И", "a", "b"][n % 6],
    "marks": lambda n: ["a,b", '"q"', "c;d", "e", "f", "g"][n % 6],
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("value", GROUPS.values(), ids=GROUPS)
def test_no_group_is_in_two_folds_nor_in_folds_and_test(tmp_path, name, value):
    table = rows(30, who=value)
    task = load_task(Data(train_file=WRITERS[name](tmp_path / name, table)), None, Folds(folds=3, group_column="who"))
    of = {row["text"]: str(row["who"]).strip() for row in table}
    parts = [{of[text] for text in task.fold(fold).validation.texts} for fold in range(3)]
    parts.append({of[text] for text in task.test.texts})
    assert all(parts)
    assert sum(map(len, parts)) == len(set(of.values()))
    of_rows = [of[text] for text in task.train.texts]
    assert len(set(zip(of_rows, task.groups.tolist(), strict=True))) == len(set(of_rows)) == len(set(task.groups.tolist()))
    assert task.fold(0).groups is None
    assert any("rows are put aside for test, whole groups of" in note for note in task.notes)


def test_groups_without_folds_keep_validation_and_test_rows_apart(tmp_path):
    table = rows(40, who=lambda n: [4, 0, 0, 1, 2, 2, 2, 3, 5, 6][n % 10])
    task = load_task(Data(train_file=write_lines(tmp_path / "t.jsonl", table)), None, Folds(group_column="who"))
    of = {row["text"]: row["who"] for row in table}
    parts = [{of[text] for text in part.texts} for part in (task.train, task.validation, task.test)]
    assert all(parts)
    assert sum(map(len, parts)) == 7
    assert sorted(task.train.texts + task.validation.texts + task.test.texts) == sorted(of)
    assert task.fold_of is None
    assert len(task.validation) in range(4, 9)


def test_fewer_rows_are_whole_groups(tmp_path, test):
    table = rows(50, who=lambda n: n // 5)
    file = write_lines(tmp_path / "t.jsonl", table)
    folds = Folds(folds=2, group_column="who")
    task = load_task(Data(train_file=file, test_file=test, max_train_rows=22), None, folds)
    taken = {row["who"] for row in table if row["text"] in task.train.texts}
    assert sorted(task.train.texts) == sorted(row["text"] for row in table if row["who"] in taken)
    assert len(task.train) == 20
    assert "max_train_rows=22: 20 rows, of whole groups" in task.notes


def test_a_row_without_a_group_is_a_group_of_its_own(tmp_path, test):
    table = rows(24, who=lambda n: [None, "", "nan", "ann", "ann", "bob"][n % 6])
    task = load_task(
        Data(train_file=as_csv(tmp_path / "t.csv", table), test_file=test), None, Folds(folds=2, group_column="who")
    )
    assert "group_column='who': 12 rows without a group are groups of their own" in task.notes
    assert any(note.startswith("column who: 14 groups, the biggest has 33.3 % of the rows;") for note in task.notes)


def test_a_large_group_among_rows_without_groups_is_put_aside_only_if_that_comes_nearest(tmp_path):
    table = rows(60, who=lambda n: "big" if n < 30 else None)
    file = write_lines(tmp_path / "t.jsonl", table)
    task = load_task(Data(train_file=file), None, Folds(folds=2, group_column="who"))
    assert len(task.test) == 9  # 15 % of 60 rows
    assert not any(text == f"text {n}" for n in range(30) for text in task.test.texts)
    table = rows(60, who=lambda n: n // 20)
    task = load_task(Data(train_file=write_lines(tmp_path / "u.jsonl", table)), None, Folds(folds=2, group_column="who"))
    assert len(task.test) == 20


def test_uneven_folds_are_told(tmp_path, test):
    file = write_lines(tmp_path / "t.jsonl", rows(40, who=lambda n: max(n - 30, 0), part=lambda n: int(n > 35)))
    data = Data(train_file=file, test_file=test)
    notes = load_task(data, None, Folds(folds=3, group_column="who")).notes
    told = [note for note in notes if note.startswith("warning: the smallest fold validates ")]
    assert len(told) == 1
    assert told[0].endswith(" 3 rows, the largest 33; groups are few or large, and fewer folds are more even")
    notes = load_task(data, None, Folds(fold_column="part")).notes
    assert "warning: the smallest fold validates 4 rows, the largest 36" in notes
    notes = load_task(data, None, Folds(folds=3)).notes
    assert not any("the smallest fold" in note for note in notes)


def test_equal_texts_in_several_folds_are_told_and_the_hint_keeps_them_together(tmp_path, test):
    table = rows(24) + [{"text": f"  TEXT {n} ", "label": "ab"[n % 2]} for n in range(24)]
    file = write_lines(tmp_path / "t.jsonl", table)
    task = load_task(Data(train_file=file, test_file=test), None, Folds(folds=4))
    told = [note for note in task.notes if "also in other folds" in note]
    assert len(told) == 1
    assert told[0].startswith("warning: ")
    assert told[0].endswith("the score will be too good; group_column='text' keeps equal texts together")
    task = load_task(Data(train_file=file, test_file=test), None, Folds(folds=4, group_column="text"))
    assert not any("in other folds" in note for note in task.notes)
    assert any(note.startswith("column text: 24 groups") for note in task.notes)


def test_one_equal_text_among_many_is_told_without_a_warning(tmp_path, test):
    table = rows(200)
    part = [n % 2 for n in range(200)]
    table[1]["text"] = table[0]["text"]
    file = write_lines(tmp_path / "t.jsonl", [row | {"part": part[n]} for n, row in enumerate(table)])
    task = load_task(Data(train_file=file, test_file=test), None, Folds(fold_column="part"))
    assert "2 of 200 texts (1 %) are also in other folds; leave all but one out" in task.notes


def test_pairs_that_share_a_text_are_told_with_the_column(tmp_path):
    table = rows(24, anchor=lambda n: f"anchor {n % 3}")
    test = write_lines(tmp_path / "test.jsonl", [{"text": "x", "anchor": "y"}] * 3)
    data = Data(train_file=write_lines(tmp_path / "t.jsonl", table), test_file=test, pair_column="anchor")
    told = "100 % of the pairs share their anchor with pairs of other folds; if it is new in new data,"
    assert any(note.startswith(told) for note in load_task(data, None, Folds(folds=3)).notes)
    grouped = load_task(data, None, Folds(folds=3, group_column="anchor"))
    assert not any("share their" in note for note in grouped.notes)
    assert [len(part) for part in folded(grouped)] == [8, 8, 8]


def test_folds_beside_groups_are_told_how_many_groups_they_tear(tmp_path, test):
    table = rows(24, who=lambda n: "xyz"[n % 3], part=lambda n: 0 if n % 3 == 0 else n % 2)
    file = write_lines(tmp_path / "t.jsonl", table)
    folds = Folds(fold_column="part", group_column="who")
    notes = load_task(Data(train_file=file, test_file=test), None, folds).notes
    told = "column who: 3 groups, the biggest has 33.3 % of the rows"
    assert f"warning: {told}; 2 of them have rows in several folds of column part" in notes


def test_sentences_are_grouped_by_their_document_and_by_their_words(tmp_path, test):
    table = [
        {"tokens": ["a", f"w{n % 9}"], "ner_tags": ["O", "B-x"] if n % 2 else ["O", "O"], "doc": n // 3} for n in range(27)
    ]
    data = Data(train_file=write_lines(tmp_path / "t.jsonl", table))
    task = load_task(data, None, Folds(folds=2, group_column="doc"))
    assert any("whole groups" in note for note in task.notes)
    task = load_task(data, None, Folds(folds=2, group_column="tokens"))
    assert not set(task.fold(0).train.texts) & set(task.fold(0).validation.texts)


def test_a_sentence_of_rows_of_words_has_the_group_of_its_first_row(tmp_path):
    header = "sentence_id,word,tag,doc"
    lines = [
        f"{n},{word},{tag},{n // 4 if word == 'in' else ''}"
        for n in range(24)
        for word, tag in (("in", "O"), ("Rome", "B-x"))
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    data = Data(train_file=str(path))
    task = load_task(data, None, Folds(folds=3, group_column="doc"))
    assert len(task.train) == 20
    assert task.folds == 3
    path.write_text("\n".join([header, *lines, "24,in,O,1", "24,Rome,B-x,2"]) + "\n")
    with pytest.raises(
        UserError, match=r"'doc' of the train data has '1' and other values in one sentence \(line 50 of t.csv\)"
    ):
        load_task(data, None, Folds(folds=3, group_column="doc"))


MARKS = {
    "-DOCSTART-": "-DOCSTART- -X- O\n\n",
    "a comment of CoNLL-U": "# newdoc id = {n}\n",
    "a comment of CoNLL 2012": "#begin document (news/{n}); part 000\n",
}


def documents(mark, count):
    """A file's text: three sentences in each document."""
    return "".join(mark.format(n=n) + 3 * "in x O\nRome x B-place\n\n" for n in range(count))


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_documents_of_files_of_words_are_groups(tmp_path, mark):
    train, dev = tmp_path / "train.conll", tmp_path / "dev.conll"
    train.write_text(documents(mark, 8))
    dev.write_text(documents(mark, 2))
    data = Data(train_file=str(train), validation_file=str(dev))
    task = load_task(data, None, Folds(folds=3, group_column="document"))
    assert any(note.startswith(f"column document: {len(task.train) // 3} groups, ") for note in task.notes)
    assert np.bincount(task.fold_of).tolist() == [len(part) for part in folded(task)]
    assert all(len(set(task.fold_of[start : start + 3].tolist())) == 1 for start in range(0, len(task.train), 3))
    told = "the train data has 8 documents; group_column='document' keeps the sentences of one together"
    assert told in load_task(data, None, Folds(folds=3)).notes
    assert not any("documents;" in note for note in load_task(data).notes)


def folder_of(tmp_path, **files):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, table in files.items():
        write_lines(folder / f"{name}.jsonl", table)
    return str(folder)


def test_the_validation_rows_of_a_folder_are_divided_too(tmp_path):
    train, dev = rows(20, who=lambda n: n // 4), [{"text": f"dev {n}", "label": "abc"[n % 3], "who": n} for n in range(10)]
    for row in train:
        row["more"] = 1  # the files need not have the same columns
    folder = folder_of(tmp_path, train=train, dev=dev, test=[{"text": "test"}])
    task = load_task(Data(data=folder), None, Folds(folds=3, group_column="who"))
    assert task.train.texts == [f"text {n}" for n in range(20)] + [f"dev {n}" for n in range(10)]
    assert task.names == ("a", "b", "c")
    assert "folds are made of the 20 train and 10 validation rows together" in task.notes
    assert sorted(row for fold in folded(task) for row in fold) == list(range(30))
    of = [row["who"] for row in (*train, *dev)]
    assert all(len({int(task.fold_of[n]) for n in range(30) if of[n] == who}) == 1 for who in set(of))


def test_a_place_in_the_validation_file_is_told_as_such(tmp_path):
    dev = rows(4, part=[0, 1, None, 0])
    folder = folder_of(tmp_path, train=rows(20, part=lambda n: n % 2), dev=dev, test=[{"text": "test"}])
    with pytest.raises(UserError, match=r"row 23 of the train data is empty \(line 3 of dev.jsonl\); each row needs a fold"):
        load_task(Data(data=folder), None, Folds(fold_column="part"))


def test_a_saved_data_set_has_named_groups(tmp_path, monkeypatch):
    import datasets

    table = rows(24, who=lambda n: n % 4)
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.Value("string"), "who": datasets.ClassLabel(names=list("wxyz"))}
    )
    columns = {name: [row[name] for row in table] for name in features}
    saved = datasets.DatasetDict({"train": datasets.Dataset.from_dict(columns, features)})
    datasets.disable_progress_bars()
    saved.save_to_disk(str(tmp_path / "saved"))
    task = load_task(Data(data=str(tmp_path / "saved")), None, Folds(folds=3, group_column="who"))
    assert task.folds == 3
    assert any(note.startswith("column who: 3 groups") for note in task.notes)


def test_groups_of_the_test_rows_that_are_known_are_told(tmp_path):
    test = [{"text": f"test {n}", "who": who} for n, who in enumerate([0, 1, "x", "x", None])]
    files = {"train_file": as_csv(tmp_path / "t.csv", rows(24, who=lambda n: n % 4))}
    files["test_file"] = as_csv(tmp_path / "u.csv", test)
    notes = load_task(Data(**files), None, Folds(folds=3, group_column="who")).notes
    assert any(note.startswith("column who: 2 of 3 groups of the test rows are also in the train rows:") for note in notes)


def test_columns_in_json_may_be_absent_in_some_rows(tmp_path, test):
    table = rows(24, who=lambda n: n % 4)
    del table[5]["who"]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(table))
    task = load_task(Data(train_file=str(path), test_file=test), None, Folds(folds=3, group_column="who"))
    assert "group_column='who': 1 row without a group is a group of its own" in task.notes
