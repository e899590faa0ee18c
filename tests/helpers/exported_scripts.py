"""Run a script that was exported."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.places import ROOT


def run_script(text: str, capsys: pytest.CaptureFixture[str], alone: bool = False) -> list[str]:
    """The lines that it prints; a warning is an error.

    Args:
        text: The script.
        capsys: Of the test.
        alone: In a process of its own, where nothing is imported yet: seconds.
    """
    script = Path("best.py")
    script.write_text(text)
    if not alone:
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out.splitlines()
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
