"""Columns of groups and of folds that cannot be used: what is refused, and what would be right."""

import pytest
from helpers.fold_files import rows
from helpers.small_tasks import write_lines

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.folds import Folds


@pytest.fixture
def test(tmp_path):
    return write_lines(tmp_path / "test.jsonl", [{"text": f"test {n}"} for n in range(3)])


OF = "of the train data"
REFUSED = {
    "misspelt group": (
        {"group_column": "athor", "folds": 3},
        "group_column='athor': no such column in the train data; did you mean 'author'?",
    ),
    "misspelt fold": (
        {"fold_column": "prat"},
        "fold_column='prat': no such column in the train data; did you mean 'part'?",
    ),
    "label as group": ({"group_column": "label", "folds": 3}, "group_column='label' is already the label_column"),
    "label as fold": ({"fold_column": "label"}, "fold_column='label' is already the label_column"),
    "text as fold": ({"fold_column": "text"}, "fold_column='text' is a column of texts"),
    "the same column": (
        {"fold_column": "part", "group_column": "part"},
        "group_column='part' is already the fold_column",
    ),
    "other number of folds": (
        {"fold_column": "part", "folds": 4},
        "folds=4, but fold_column='part' has 3 folds: 0, 1, 2; leave one out",
    ),
    "ids as folds": (
        {"fold_column": "id"},
        "fold_column='id' has 24 values in 24 rows: these are ids, not folds; group_column='id'",
    ),
    "one fold": ({"fold_column": "same"}, "fold_column='same': every row is in fold '7'; two folds or more are needed"),
    "rows without a fold": (
        {"fold_column": "holes"},
        f"fold_column='holes': row 4 {OF} is empty (line 4 of t.jsonl); each row needs a fold",
    ),
    "never validated": (
        {"fold_column": "never"},
        f"fold_column='never': row 3 {OF} has -1 (line 3 of t.jsonl); each row is validated",
    ),
    "lists as groups": (
        {"group_column": "lists", "folds": 3},
        f"group_column='lists': row 1 {OF} is [0], not a single value (line 1 of t.jsonl)",
    ),
    "objects as folds": (
        {"fold_column": "objects"},
        f"fold_column='objects': row 1 {OF} is {{'a': 1}}, not a single value",
    ),
    "no groups at all": (
        {"group_column": "nothing", "folds": 3},
        "group_column='nothing' is empty in every row of the train data",
    ),
    "more folds than rows": ({"folds": 25}, "folds=25: there are only 24 rows to divide"),
    "more folds than groups": (
        {"group_column": "author", "folds": 5},
        "group_column='author' has 4 groups in the train data: 5 are needed, at least one each for 5 folds",
    ),
    "groups that do nothing": (
        {"group_column": "author"},
        "group_column='author' does nothing: the data has validation and test rows of its own; folds=5 makes",
    ),
}


@pytest.mark.parametrize(("folds", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_divided_is_refused_with_what_would_be_right(tmp_path, test, folds, words):
    table = rows(
        author=lambda n: "wxyz"[n % 4], part=lambda n: n % 3, id=lambda n: n + 100, same=lambda n: 7,
        holes=lambda n: None if n == 3 else n % 2, never=lambda n: -1 if n == 2 else n % 2, lists=lambda n: [n],
        objects=lambda n: {"a": 1}, nothing=lambda n: "",
    )  # fmt: skip
    files = {"train_file": write_lines(tmp_path / "t.jsonl", table), "test_file": test}
    if "folds" not in folds and "group_column" in folds:
        files["validation_file"] = write_lines(tmp_path / "v.jsonl", rows(6, part=lambda n: n))
    with pytest.raises(UserError) as caught:
        load_task(Data(**files), None, Folds(**folds))
    assert str(caught.value).startswith(words)
    assert len(str(caught.value)) < 250


def test_a_test_part_needs_a_group_of_its_own(tmp_path):
    file = write_lines(tmp_path / "t.jsonl", rows(who=lambda n: n % 3))
    with pytest.raises(
        UserError, match="'who' has 3 groups in the train data: 4 are needed, at least one each for 3 folds and test"
    ):
        load_task(Data(train_file=file), None, Folds(folds=3, group_column="who"))
    with pytest.raises(
        UserError, match="2 groups in the train data: 3 are needed, at least one each for train, validation and test"
    ):
        load_task(
            Data(train_file=write_lines(tmp_path / "u.jsonl", rows(who=lambda n: n % 2))), None, Folds(group_column="who")
        )


def test_a_validation_file_needs_the_columns_too(tmp_path, test):
    files = {"train_file": write_lines(tmp_path / "t.jsonl", rows(part=lambda n: n % 2)), "test_file": test}
    files["validation_file"] = write_lines(tmp_path / "v.jsonl", rows(4))
    with pytest.raises(
        UserError, match="'part': no such column in the validation data; with folds its rows are divided too"
    ):
        load_task(Data(**files), None, Folds(fold_column="part"))


def test_a_fold_that_loses_all_its_rows_is_refused(tmp_path, test):
    file = write_lines(tmp_path / "t.jsonl", rows(part=lambda n: int(n == 3)))
    with pytest.raises(UserError, match="no rows are left in fold '1', after rows were put aside or left out"):
        load_task(Data(train_file=file, test_file=test, max_train_rows=4), None, Folds(fold_column="part"))


def test_a_column_that_a_file_has_twice_is_refused(tmp_path, test):
    path = tmp_path / "t.csv"
    path.write_text("text,who,label,who\n" + "".join(f"text {n},{n % 5},{'ab'[n % 2]},{n}\n" for n in range(20)))
    assert load_task(Data(train_file=str(path), test_file=test), None, Folds(folds=2)).folds == 2
    with pytest.raises(UserError, match=r"group_column='who': t\.csv has several columns of that name; rename all but one"):
        load_task(Data(train_file=str(path), test_file=test), None, Folds(folds=2, group_column="who"))
