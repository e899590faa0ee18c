"""Time and memory of one step."""

import os
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

from finetune.words import counted

# Timed steps of each kind, and seconds after which no more rounds begin.
ROUNDS, SECONDS = 7, 20.0
# Times are reliable only if the middle half of the rounds lies within this share of the median ratio.
SPREAD = 0.25
# Load from other work, in cores, that does not slow us yet.
SLACK = 0.5


@dataclass(frozen=True)
class Spent:
    """Time and memory of two steps, a clean and an attacked one.

    Args:
        seconds: Median seconds of each step.
        ratio: Median over the rounds of the ratio of the second's time to the first's.
        spread: Width of the middle half of these ratios, as a share of the median.
        load: Load of the machine before we began, in cores; None if the system does not say.
        peaks: Peak bytes of each step.
        counted: How the bytes were counted.
    """

    seconds: list[float]
    ratio: float
    spread: float
    load: float | None
    peaks: list[int]
    counted: str

    def doubt(self, threads: int, cores: int) -> str:
        """Why the times do not show the cost of a step; empty if they do."""
        if self.load is not None and self.load + threads > cores + SLACK:
            have, ours = counted(cores, "core"), f"{counted(threads, 'thread')} of ours"
            return f"the machine has more work than cores (load {self.load:.1f} before, {ours}, {have})"
        return f"the rounds differ too much (by {self.spread:.0%})" if self.spread > SPREAD else ""


def load() -> float | None:
    """The machine's load over the last minute, in cores; None if the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def measure(
    steps: list[Callable[[], object]], device: torch.device, release: Callable[[], object], before: float | None
) -> Spent:
    """Measure time and memory of a clean and an attacked step, which take turns.

    Args:
        steps: The steps; each must begin by dropping what the step before left.
        device: Where they run.
        release: Drops what the last step left.
        before: The load before our own work.
    """
    times = pace(steps, device, ROUNDS, SECONDS)
    peaks = [peak_bytes(step, device, release) for step in steps]
    counted = "GPU peak, weights apart" if device.type == "cuda" else "peak of live tensors"
    ratio, spread = compared(*times)
    return Spent([statistics.median(taken) for taken in times], ratio, spread, before, peaks, counted)


def compared(clean: list[float], attacked: list[float]) -> tuple[float, float]:
    """The median ratio of steps that were timed side by side, and the width of the middle half of the ratios."""
    ratios = sorted(second / first for first, second in zip(clean, attacked, strict=True))
    middle, quarter = statistics.median(ratios), len(ratios) // 4
    return middle, (ratios[-1 - quarter] - ratios[quarter]) / middle


def pace(steps: list[Callable[[], object]], device: torch.device, rounds: int, seconds: float) -> list[list[float]]:
    """Seconds of each step, round by round; the steps take turns, after one round to warm up.

    Args:
        steps: The steps to time.
        device: It must finish before the clock is read.
        rounds: At most this many rounds are timed.
        seconds: No more rounds begin after this time.
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
    return times


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)


def peak_bytes(step: Callable[[], object], device: torch.device, release: Callable[[], object] = lambda: None) -> int:
    """The most bytes that the tensors of ``step`` took at one time.

    On CUDA, the allocator's peak minus what was allocated before. Elsewhere, the sum over the live storages that operators
    returned, without what an operator needs inside.
    """
    if device.type == "cuda":
        release()  # gradients of the step before, which the next step would free first
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    live = Live()
    with live:
        step()
    return live.peak


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operators return, while they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tensors(args, kwargs):  # tensors from before, unless an operator returned them
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
