"""Time and memory of one step."""

import statistics
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Timed steps of each kind, and seconds after which no further round begins.
ROUNDS, SECONDS = 5, 20.0


@dataclass(frozen=True)
class Spent:
    """Seconds and peak bytes of each step, and how the bytes were counted."""

    seconds: list[float]
    peaks: list[int]
    counted: str


def measure(steps: list[Callable[[], object]], device: torch.device, release: Callable[[], object]) -> Spent:
    """Time and memory of steps; each must begin by dropping what the one before left, which ``release`` does."""
    seconds = pace(steps, device, ROUNDS, SECONDS)
    peaks = [peak_bytes(step, device, release) for step in steps]
    counted = "GPU peak, weights apart" if device.type == "cuda" else "peak of live tensors"
    return Spent(seconds, peaks, counted)


def pace(steps: list[Callable[[], object]], device: torch.device, rounds: int, seconds: float) -> list[float]:
    """Median seconds of each step; they take turns, after one round to warm up.

    Args:
        steps: What to time.
        device: Waited for before the clock is read.
        rounds: At most so many are timed.
        seconds: No further round begins after so long.
    """
    times: list[list[float]] = [[] for _ in steps]
    began = time.perf_counter()
    for number in range(rounds + 1):
        for step, taken in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            wait_for(device)
            if number:
                taken.append(time.perf_counter() - start)
        if number and time.perf_counter() - began > seconds:
            break
    return [statistics.median(taken) for taken in times]


def wait_for(device: torch.device) -> None:
    """Let the device finish."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)


def peak_bytes(step: Callable[[], object], device: torch.device, release: Callable[[], object] = lambda: None) -> int:
    """The most bytes that tensors made by ``step`` took at once.

    On CUDA the allocator's peak over what was allocated before; elsewhere the sum over the live storages that operators
    returned, which leaves out what an operator needs inside.
    """
    if device.type == "cuda":
        release()  # gradients of the step before, which the next one frees first
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    live = Live()
    with live:
        step()
    return live.peak


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operators return, for as long as they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tensors(args, kwargs):  # what was there before, unless an operator returned it
            self._seen.setdefault(tensor.untyped_storage(), 0)
        output = operator(*args, **(kwargs or {}))
        for tensor in tensors(output):
            storage = tensor.untyped_storage()
            if storage not in self._seen:
                size = self._seen[storage] = storage.nbytes()
                self.now += size
                weakref.finalize(storage, self._free, size).atexit = False
        self.peak = max(self.peak, self.now)
        return output

    def _free(self, size: int) -> None:
        self.now -= size


def tensors(*values: Any) -> list[Tensor]:
    """All tensors in nested arguments."""
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
