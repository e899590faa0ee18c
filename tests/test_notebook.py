"""The notebook of the examples, executed: nothing fails, and progress and results are drawn."""

import os

import nbformat
import pytest
from helpers.places import ROOT
from nbclient import NotebookClient

NOTEBOOK = ROOT / "examples" / "search.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Its code cells as they are after a run in an empty folder."""
    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        client = NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
        client.execute()
    assert (folder / "report.html").stat().st_size > 10_000
    return [cell for cell in book.cells if cell.cell_type == "code"]


def shown(cell, kind):
    """What a cell displays in that form."""
    found = [output.data[kind] for output in cell.outputs if kind in getattr(output, "data", {})]
    return "".join(found)


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_it_is_kept_without_outputs():
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in book.cells if cell.cell_type == "code")


def test_a_search_shows_that_it_goes_on(cells):
    assert '<progress value="4" max="4">' in shown(cells[0], "text/html")
    assert "best 0." in shown(cells[0], "text/html")
    assert printed(cells[0]).count("trial   ") == 4
    assert "clean baseline, epoch 2" in printed(cells[0])


def test_a_result_is_drawn(cells):
    for cell in (cells[1], cells[4]):
        text = shown(cell, "text/html")
        assert "accuracy" in text
        assert "clean" in text
        assert "<script" not in text


def test_trials_are_a_table_and_the_best_is_a_configuration(cells):
    assert shown(cells[2], "text/html").count("<tr") == 1 + 4
    assert "report.html" in printed(cells[3])
    assert "method: awp" in printed(cells[3])


def test_nothing_is_warned_of(cells):
    said = [output.text for cell in cells for output in cell.outputs if getattr(output, "name", "") == "stderr"]
    assert [text for text in said if "IProgress" not in text] == []  # of widgets that transformers' own bars would like
