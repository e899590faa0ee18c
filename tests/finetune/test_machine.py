"""Cores that a process may use, not those that the machine has."""

import os
import subprocess
import sys

import pytest
from helpers.places import ROOT

COUNT = [sys.executable, "-c", "from finetune.machine import cores; print(cores())"]


def counted(*before, **more):
    found = subprocess.run([*before, *COUNT], cwd=ROOT, env=os.environ | more, capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores")
def test_a_process_that_is_pinned_to_a_core_has_one():
    assert counted("taskset", "-c", str(min(os.sched_getaffinity(0)))) == 1


def test_the_machine_is_the_most():
    assert 1 <= counted() <= os.cpu_count()
