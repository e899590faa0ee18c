"""What is no database of a search is not merged, and stays as it is."""

import re
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from helpers.made_up_studies import made

from finetune.errors import UserError
from studies import merge
from studies.merging import url_of


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ((), "name the databases to merge"),
        (("1.db", "nowhere.db"), "nowhere.db: there is no such database"),
        (("redis://host",), "unknown kind of database 'redis'"),
        (("1.db", "text.db"), "no study of a search is in text.db: it is not a database"),
        (("1.db", "torn.db"), "torn.db cannot be used: file is not a database; leave it out"),
        (("empty.db",), "no study of a search is in empty.db: it is not a database"),
        (("folder",), "folder is a folder"),
        (("foreign.db",), "no study of a search is in foreign.db"),
        (("none/1.db",), "there is no folder none"),
    ],
)
def test_what_is_no_database_of_a_search(sources, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = made("CC")
    optuna.copy_study(from_study_name="made", from_storage=study._storage, to_storage="sqlite:///1.db")
    Path("text.db").write_text("these are words\n" * 200)
    Path("torn.db").write_bytes(Path("1.db").read_bytes()[:16] + b"?" * 9000)
    Path("empty.db").touch()
    Path("folder").mkdir()
    optuna.create_study(storage="sqlite:///foreign.db", study_name="made")
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        merge(*sources, into="all.db", progress=False)
    assert "storage" not in str(caught.value)
    assert not Path("all.db").exists()
    assert Path("empty.db").stat().st_size == 0


@pytest.mark.parametrize("name", ["which?.db", "50%41.db", "#1 & ü/漢.db", "a b.db", "/elsewhere/x.db", "x:y@z.db"])
def test_a_file_may_have_any_name(name):
    assert str(sqlalchemy.make_url(url_of(name)).database) == name
