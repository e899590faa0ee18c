"""Names of files in the wild: parts with a hash, words without a mark between them, hidden copies."""

import pandas as pd
import pytest

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError

HASHES = ("a09b74b3ef9c3b56", "c19b74b3ef9c3b56")


def table(word, count):
    return pd.DataFrame({"text": [f"{word} film {n}" for n in range(count)], "label": ["bad", "good"] * (count // 2)})


def loaded(folder, **counts):
    """A folder of train.csv and these files, with "__" for the dot."""
    for name, count in {"train__csv": 20, **counts}.items():
        table(name, count).to_csv(folder / name.replace("__", "."), index=False)
    return load_task(Data(data=str(folder)))


@pytest.mark.parametrize("inside", ["", "data/"])
@pytest.mark.parametrize("hashed", [True, False])
def test_parts_are_one_table_with_a_hash_or_without(tmp_path, inside, hashed):
    (tmp_path / "data").mkdir()
    for number, code in enumerate(HASHES):
        end = f"-{code}" if hashed else ""
        table(f"part {number}", 20).to_parquet(tmp_path / f"{inside}train-{number:05}-of-00002{end}.parquet")
    table("other", 8).to_parquet(tmp_path / f"{inside}validation-00000-of-00001{end}.parquet")
    table("third", 6).to_parquet(tmp_path / f"{inside}test-00000-of-00001{end}.parquet")
    task = load_task(Data(data=str(tmp_path)))
    assert (len(task.train), len(task.validation), len(task.test)) == (40, 8, 6)


def test_a_part_that_is_gone_is_missed_with_a_hash_too(tmp_path):
    table("part", 20).to_parquet(tmp_path / f"train-00000-of-00002-{HASHES[0]}.parquet")
    with pytest.raises(UserError, match="parts of this table are missing: found 1 of 2"):
        load_task(Data(data=str(tmp_path)))


@pytest.mark.parametrize("second", [f"00000-of-00001-{HASHES[1]}", "00000-of-00001", f"00001-of-00002-{HASHES[0]}"])
def test_parts_of_two_versions_are_not_mixed(tmp_path, second):
    table("part", 20).to_parquet(tmp_path / f"train-00000-of-00001-{HASHES[0]}.parquet")
    table("other", 20).to_parquet(tmp_path / f"train-{second}.parquet")
    with pytest.raises(UserError, match="parts of several versions of this table; keep those of one"):
        load_task(Data(data=str(tmp_path)))


@pytest.mark.parametrize(
    "name", ["devSet", "dev2020", "twitter-2016dev-A", "DEVset", "valData", "myValidation", "eval2", "dev数据", "2dev"]
)
def test_words_are_parted_by_case_and_digits(tmp_path, name):
    task = loaded(tmp_path, **{f"{name}__csv": 30})
    assert len(task.validation) == 30
    assert f"{name}.csv is the validation split, by its name; validation_file takes another" in task.notes


@pytest.mark.parametrize("name", ["device", "protest", "Latest", "value", "contest2020", "trainer", "devil"])
def test_a_word_inside_another_is_none(tmp_path, name):
    task = loaded(tmp_path, **{f"{name}__csv": 30})
    assert len(task.train) + len(task.validation) + len(task.test) == 20
    assert not any(f"{name}.csv" in note for note in task.notes)


@pytest.mark.parametrize("name", ["dev_test", "valid-and-test", "evalTesting", "test2020dev", "val.test", "TestOrDev"])
def test_a_name_that_speaks_of_two_splits_says_neither(tmp_path, name):
    task = loaded(tmp_path, **{f"{name}__csv": 30})
    assert len(task.train) + len(task.validation) + len(task.test) == 20
    assert not any(f"{name}.csv" in note for note in task.notes)


@pytest.mark.parametrize("name", ["._dev.csv", ".dev.csv", "._train.csv", ".~lock.dev.csv", "._test.tsv"])
def test_hidden_copies_are_no_tables(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00\x05\x16\x07 no table")
    task = loaded(tmp_path, dev__csv=30)
    assert (len(task.train), len(task.validation)) == (17, 30)


@pytest.mark.parametrize("name", ["training.csv", "Training.csv", "TRAINING.tsv", "data/training.csv", "training/rows.csv"])
def test_training_is_the_train_split_where_nothing_is_called_train(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    between = "\t" if name.endswith("tsv") else ","
    rows = "".join(f"film {n}{between}{'good' if n % 2 else 'bad'}\n" for n in range(20))
    (tmp_path / name).write_text(f"text{between}label\n{rows}")
    task = load_task(Data(data=str(tmp_path)))
    assert len(task.train) == 14
    called = "training" if "/rows" in name else name.removeprefix("data/")
    assert f"{called} is the train split, by its name; train_file takes another" in task.notes


def test_training_beside_train_is_not_used(tmp_path):
    task = loaded(tmp_path, training__csv=30)
    assert len(task.train) == 14
    assert "training.csv looks like a split and is not used; train_file takes another" in task.notes


@pytest.mark.parametrize("names", [("training_v2.csv",), ("my_training.csv",), ("trainer.csv",), ("test.csv",)])
def test_other_names_do_not_say_what_to_train_on(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("text,label\na,b\n")
    with pytest.raises(UserError, match="has no train file"):
        load_task(Data(data=str(tmp_path)))


def test_two_files_called_training_are_refused(tmp_path):
    for name in ("training.csv", "training.tsv"):
        (tmp_path / name).write_text("text,label\na,b\n")
    with pytest.raises(UserError, match=r"training.csv or training.tsv may be the train split; choose one with train_file"):
        load_task(Data(data=str(tmp_path)))


def test_a_train_file_one_folder_down_comes_before_training(tmp_path):
    (tmp_path / "data").mkdir()
    table("inner", 20).to_csv(tmp_path / "data" / "train.csv", index=False)
    table("outer", 20).to_csv(tmp_path / "training.csv", index=False)
    assert load_task(Data(data=str(tmp_path))).train.texts[0].startswith("inner")
