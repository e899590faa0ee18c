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


class Measured(Strict):
    """What a search measured: the value, the clean baseline beside it, and under which versions."""

    study: str
    trial: int | None
    value: float
    clean: float
    versions: dict[str, str]
    device: str | None = None


class Recorded(Measured):
    """The same of the project's own training.

    ``searched`` repeats what was asked for, so that edits above it are seen.
    """

    data_fingerprint: str
    model_fingerprint: str
    searched: Searched | None = None


class LoopRecorded(Measured):
    """The same of a loop of one's own: which one, and what its user says of its data."""

    loop: dict[str, Any]


class Best(Strict):
    """A complete, re-runnable configuration."""

    format: int
    method: str
    settings: dict[str, Any]
    data: Data
    recipe: Recipe
    metric: str
    recorded: Recorded


class LoopBest(Strict):
    """A configuration for a loop of one's own."""

    format: int
    method: str
    settings: dict[str, Any]
    recipe: dict[str, Any]
    metric: str
    recorded: LoopRecorded
