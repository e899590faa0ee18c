import pytest
from sqlalchemy.exc import OperationalError

from finetune.errors import UserError
from studies.running.storage import refuse_storage, storage_errors


@pytest.mark.parametrize("url", ["oracle://localhost/x", "mssql+pyodbc://localhost/x"])
def test_a_server_without_its_driver_is_refused_with_what_to_install(url):
    with pytest.raises(UserError, match="install the database's Python driver"):
        refuse_storage(url)


@pytest.mark.parametrize("missing", ["tiktoken", "advsearch", "sentencepiece"])
def test_another_package_that_is_missing_in_a_trial_is_no_matter_of_the_database(missing):
    with pytest.raises(ModuleNotFoundError, match=missing), storage_errors("sqlite:///studies.db"):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("FATAL:  sorry, too many clients already", "let the server take more, or start fewer"),
        ('(1040, "Too many connections")', "let the server take more, or start fewer"),
        ("permission denied for schema public\nLINE 2: CREATE TABLE", "make its user the owner of the database"),
    ],
)
def test_what_to_do_at_a_server_is_said(reason, words):
    with (
        pytest.raises(UserError, match=f"(?i)(too many c|permission denied).*{words}") as raised,
        storage_errors("postgresql://host/studies"),
    ):
        raise OperationalError("", {}, Exception(reason))
    assert "\n" not in str(raised.value)
