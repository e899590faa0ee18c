"""Cores that a process may use, not those that the machine has."""

import gc
import os
import subprocess
import sys

import pytest
from helpers.places import ROOT

from finetune.machine import SELDOM, USUAL, collect_as_usual, seldom_collect

COUNT = [sys.executable, "-c", "from finetune.machine import cores; print(cores())"]


def counted(*before, **more):
    found = subprocess.run([*before, *COUNT], cwd=ROOT, env=os.environ | more, capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores")
def test_a_process_that_is_pinned_to_a_core_has_one():
    assert counted("taskset", "-c", str(min(os.sched_getaffinity(0)))) == 1


def test_the_machine_is_the_most():
    assert 1 <= counted() <= os.cpu_count()


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    yield gc.set_threshold
    gc.set_threshold(*before)


def test_garbage_is_looked_for_seldom_until_the_process_has_started(thresholds):
    thresholds(USUAL)
    seldom_collect()
    assert gc.get_threshold()[0] == SELDOM
    collect_as_usual()
    assert gc.get_threshold()[0] == USUAL


@pytest.mark.parametrize("own", [0, 1, 20_000, 10**9])
def test_who_collects_otherwise_goes_on_so(thresholds, own):
    thresholds(own)
    seldom_collect()
    assert gc.get_threshold()[0] == own
    collect_as_usual()
    assert gc.get_threshold()[0] == own
