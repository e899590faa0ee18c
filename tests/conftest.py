import gc

import pytest
import torch
from helpers.cheap_libraries import make_libraries_cheap
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("steady")
make_libraries_cheap()
gc.disable()  # while tests are collected: looking for garbage in what is imported is a quarter of that time


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    """What is imported stays: a collection looks at it no more, and trainers of frameworks ask for one after every run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)  # looking for garbage after every 700 objects is a tenth of what short tests take
    gc.enable()


@pytest.fixture(autouse=True)
def _one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)
