"""Import this where a Trainer runs: it looks for garbage no more.

Accelerate has all that the process holds looked through after every run, a quarter of a second for two steps.
"""

from types import SimpleNamespace

from accelerate.utils import memory

memory.gc = SimpleNamespace(collect=int)
