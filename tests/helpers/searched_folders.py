"""Folders in which a search has ended, made once for all tests of a file."""

from pathlib import Path

import pytest

import search
from helpers.refusals import rows


def searched_in(tmp_path_factory, *arguments):
    """A new folder with ``rows.csv``, and what the command with these arguments left there."""
    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("rows.csv").write_text(rows())
        assert search.run(list(arguments)) == 0
    return folder
