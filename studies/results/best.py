"""The shape of best.yaml."""

from typing import Any

from finetune.config import Data, Recipe, Strict

FORMAT = 1


class Searched(Strict):
    """What was asked for when the value was measured."""

    method: str
    settings: dict[str, Any]
    data: dict[str, Any]
    recipe: Recipe
    metric: str


class Recorded(Strict):
    """What the search measured: the value, the clean baseline beside it, and under which versions.

    ``searched`` repeats what was asked for, so that edits above it are seen.
    """

    study: str
    trial: int | None
    value: float
    clean: float
    data_fingerprint: str
    model_fingerprint: str
    versions: dict[str, str]
    device: str | None = None
    searched: Searched | None = None


class Best(Strict):
    """A complete, re-runnable configuration."""

    format: int
    method: str
    settings: dict[str, Any]
    data: Data
    recipe: Recipe
    metric: str
    recorded: Recorded
