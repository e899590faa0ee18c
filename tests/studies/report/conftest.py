import pytest


@pytest.fixture(autouse=True, scope="module")
def _quick(quick_importances):
    """A page draws importances; how sure those are is another matter."""
