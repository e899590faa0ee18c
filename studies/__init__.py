"""ONE SEARCH, and the Python door to it: ``from studies import search, tune``.

Slow modules are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.door import check, clean, compare, confirm, load, search
    from studies.ensembling import ensemble
    from studies.merging import merge
    from studies.own_loop import tune
    from studies.predicting import predict
    from studies.result import Result
    from studies.running.looped import Run
    from studies.training import train

WHERE = {
    "search": "studies.door",
    "check": "studies.door",
    "clean": "studies.door",
    "compare": "studies.door",
    "confirm": "studies.door",
    "ensemble": "studies.ensembling",
    "load": "studies.door",
    "merge": "studies.merging",
    "predict": "studies.predicting",
    "train": "studies.training",
    "tune": "studies.own_loop",
    "Run": "studies.running.looped",
    "Result": "studies.result",
}
__all__ = [
    "Result", "Run", "check", "clean", "compare", "confirm", "ensemble", "load", "merge", "predict", "search", "train",
    "tune",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in WHERE:
        raise AttributeError(f"module 'studies' has no attribute {name!r}")
    return getattr(import_module(WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
