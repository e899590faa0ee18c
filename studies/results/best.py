"""The shape of best.yaml."""

from typing import Any

from finetune.config import Data, Recipe, Strict
from finetune.folds import Folds
from finetune.own_name import short_name

FORMAT = 1


class Searched(Strict):
    """The configuration under which the value was measured."""

    method: str
    settings: dict[str, Any]
    data: dict[str, Any]
    recipe: Recipe
    metric: str
    folds: Folds | None = None


class Measured(Strict):
    """What a search measured: the value, its clean baseline, and under which versions."""

    study: str
    trial: int | None
    value: float
    clean: float
    versions: dict[str, str]
    device: str | None = None


class Recorded(Measured):
    """What a search with the built-in training loop measured.

    ``searched`` repeats the configuration, so that later edits to the file are noticed.
    """

    data_fingerprint: str
    model_fingerprint: str
    searched: Searched | None = None


class LoopRecorded(Measured):
    """What a search with the user's own loop measured: which loop, and the user's description of its data."""

    loop: dict[str, Any]


class Front(Strict):
    """What a trial reached in the second metric, and the trials of the front."""

    metric: str
    value: float
    clean: float
    trials: list[int]


class Best(Strict):
    """A complete, re-runnable configuration.

    A metric of the user's own is named with its file's path; ``metric_source`` is the fingerprint of that file. ``folds`` is
    there where the value is that of several runs.
    """

    format: int
    method: str
    settings: dict[str, Any]
    data: Data
    folds: Folds | None = None
    recipe: Recipe
    metric: str
    metric_source: str | None = None
    recorded: Recorded
    confirmed: dict[str, Any] | None = None
    front: Front | None = None

    @property
    def measured(self) -> str:
        """The name of the metric's values."""
        return short_name(self.metric)


class LoopBest(Strict):
    """A configuration for the user's own loop."""

    format: int
    method: str
    settings: dict[str, Any]
    recipe: dict[str, Any]
    metric: str
    recorded: LoopRecorded
    confirmed: dict[str, Any] | None = None
    front: Front | None = None

    @property
    def measured(self) -> str:
        """The name of the metric's values."""
        return self.metric
