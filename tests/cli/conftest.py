import pytest
from helpers import cheap_models  # noqa: F401


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """The command writes into the folder that it is started in."""
    monkeypatch.chdir(tmp_path)
