import pytest


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """The command writes into the folder that it is started in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="module")
def _quick_importances():
    """What a command prints and writes does not hang on how often values are permuted or drawn again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studies.results.importance.PERMUTATIONS", 10)
        patch.setattr("studies.results.importance.FOLDS", 10)
        yield
