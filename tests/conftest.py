"""Libraries are imported where tests run: xdist's own process only hears of them."""

import gc
import os

import pytest
from helpers.in_step import InStep, steps_file

STEPS = pytest.StashKey[InStep]()


def pytest_configure(config):
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        config.stash[STEPS] = steps_file()
        return
    facts = getattr(config, "workerinput", {})
    config.stash[STEPS] = InStep(facts.get("steps"), facts.get("workerid") == "gw0")
    config.stash[STEPS].wait()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # two threads on a busy core wait for each other by running
    from helpers.cheap_libraries import make_libraries_cheap
    from hypothesis import settings

    settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=50)
    settings.load_profile("steady")
    make_libraries_cheap()
    config.stash[STEPS].take()
    gc.disable()  # while tests are collected: looking for garbage in what is imported is a quarter of that time


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    file = node.config.stash[STEPS]
    node.workerinput["steps"] = file and file.name


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A module is imported here when the first worker has compiled it."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    steps = collector.config.stash[STEPS]
    steps.wait()
    report = yield
    steps.take()
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    """What is imported stays: a collection looks at it no more, and trainers of frameworks ask for one after every run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)  # looking for garbage after every 700 objects is a tenth of what short tests take
    gc.enable()


@pytest.fixture(autouse=True)
def _one_thread_one_seed():
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
