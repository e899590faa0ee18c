"""The shape of best.yaml."""

from typing import Any

from finetune.config import Data, Recipe, Strict

FORMAT = 1


class Recorded(Strict):
    """What the search measured: the value, the clean baseline beside it, and under which versions."""

    study: str
    trial: int | None
    value: float
    clean: float
    data_fingerprint: str
    model_fingerprint: str
    versions: dict[str, str]
    device: str | None = None


class Best(Strict):
    """A complete, re-runnable configuration."""

    format: int
    method: str
    settings: dict[str, Any]
    data: Data
    recipe: Recipe
    recorded: Recorded
