import gc

import pytest
import torch
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("steady")


def pytest_collection_finish():
    """What is imported stays: a collection looks at it no more, and trainers of frameworks ask for one after every run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)
