"""Several splits: files by name, a folder, a saved data set."""

import datasets
import pytest
from helpers.small_tasks import write_lines

from finetune.config import Data
from finetune.data.files import read_tables
from finetune.errors import UserError


def rows(word):
    return [{"text": f"{word} {n}", "label": str(n)} for n in range(3)]


def first_texts(tables):
    return {name: table["text"][0] for name, table in tables.items()}


@pytest.mark.parametrize("alias", ["validation", "valid", "dev", "val"])
def test_folder_with_every_name_of_the_validation_split(tmp_path, alias):
    for name in ("train", alias, "test", "unrelated"):
        write_lines(tmp_path / f"{name}.jsonl", rows(name))
    (tmp_path / "README.md").write_text("about")
    found = read_tables(Data(data=str(tmp_path)))
    assert first_texts(found) == {"train": "train 0", "validation": f"{alias} 0", "test": "test 0"}


def test_folder_may_mix_formats_and_have_train_alone(tmp_path):
    (tmp_path / "train.tsv").write_text('text\tlabel\n"open\tx\n')
    assert read_tables(Data(data=str(tmp_path))) == {"train": {"text": ['"open'], "label": ["x"]}}
    write_lines(tmp_path / "dev.jsonl", rows("dev"))
    assert set(read_tables(Data(data=str(tmp_path)))) == {"train", "validation"}


def test_three_files_by_option(tmp_path):
    paths = {name: write_lines(tmp_path / f"{name}.jsonl", rows(name)) for name in ("a", "b", "c")}
    found = read_tables(Data(train_file=paths["a"], validation_file=paths["b"], test_file=paths["c"]))
    assert first_texts(found) == {"train": "a 0", "validation": "b 0", "test": "c 0"}
    assert set(read_tables(Data(train_file=paths["a"], test_file=paths["c"]))) == {"train", "test"}


@pytest.mark.parametrize("alias", ["validation", "dev"])
def test_saved_data_set(tmp_path, capfd, alias):
    parts = {name: datasets.Dataset.from_list(rows(name)) for name in ("train", alias, "test")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    capfd.readouterr()
    found = read_tables(Data(data=str(tmp_path / "saved")))
    assert first_texts(found) == {"train": "train 0", "validation": f"{alias} 0", "test": "test 0"}
    assert capfd.readouterr() == ("", "")


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_lines(tmp_path / "train.jsonl", rows("home"))
    assert first_texts(read_tables(Data(train_file="~/train.jsonl"))) == {"train": "home 0"}
    assert first_texts(read_tables(Data(data="~"))) == {"train": "home 0"}


def test_what_a_folder_holds_is_said_where_it_has_no_training_split(tmp_path):
    write_lines(tmp_path / "learned.jsonl", rows("a"))
    with pytest.raises(UserError, match=r"no train file .*learned\.jsonl"):
        read_tables(Data(data=str(tmp_path)))
    datasets.DatasetDict({"test": datasets.Dataset.from_list(rows("a"))}).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(UserError, match="no train split; it has test"):
        read_tables(Data(data=str(tmp_path / "saved")))


def test_two_files_of_one_split(tmp_path):
    write_lines(tmp_path / "train.jsonl", rows("a"))
    (tmp_path / "train.tsv").write_text("text\tlabel\na\tx\n")
    with pytest.raises(UserError, match=r"both train\.jsonl and train\.tsv"):
        read_tables(Data(data=str(tmp_path)))


def test_a_saved_data_set_that_is_not_whole(tmp_path):
    datasets.DatasetDict({"train": datasets.Dataset.from_list(rows("a"))}).save_to_disk(str(tmp_path / "saved"))
    for path in (tmp_path / "saved" / "train").glob("*.arrow"):
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match="is not a complete data set"):
        read_tables(Data(data=str(tmp_path / "saved")))


def test_a_file_given_as_folder_and_a_folder_that_is_not_there(tmp_path):
    path = write_lines(tmp_path / "train.jsonl", rows("a"))
    with pytest.raises(UserError, match="train_file"):
        read_tables(Data(data=path))
    with pytest.raises(UserError, match="is a folder; give it as data"):
        read_tables(Data(train_file=str(tmp_path)))
    for missing in (str(tmp_path / "none"), "./none", "a/b/c"):
        with pytest.raises(UserError, match="no such folder"):
            read_tables(Data(data=missing))
