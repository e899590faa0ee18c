"""Run a script that was exported."""

import runpy
from pathlib import Path

import pytest

from helpers.fresh_process import run_fresh
from helpers.places import ROOT


def run_script(text: str, capsys: pytest.CaptureFixture[str], alone: bool = False) -> list[str]:
    """The lines that it prints; a warning is an error.

    Args:
        text: The script.
        capsys: Of the test.
        alone: In a process where nothing of this project is imported yet.
    """
    script = Path("best.py")
    script.write_text(text)
    if not alone:
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out.splitlines()
    begin = f"import sys, warnings\nwarnings.simplefilter('error')\nsys.path.insert(0, {str(ROOT)!r})\n"
    return run_fresh(begin + text, Path.cwd()).splitlines()
