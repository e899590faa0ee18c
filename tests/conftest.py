import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# tests/ is on the path for its helpers, and tests/adv has the package's name: the package must be found first.
sys.path.insert(0, str(Path(__file__).parent.parent))

settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def _one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)
