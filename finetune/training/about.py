"""What a saved model knows about itself: ``advsearch.json``, beside the files that plain transformers reads."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from finetune.config import Data, KindName, Recipe, Strict
from finetune.errors import UserError, first_line
from finetune.models.checkpoint import ABOUT
from finetune.own_name import short_name
from finetune.tasks.kind import Scale

FILE = ABOUT
# The trained weights that the other files have in another form, because the units of the targets are written into them.
EXACT = "advsearch.safetensors"
FORMAT = 1
# A file with more bytes was not written by this program.
LARGEST = 2**24
# Where rows came from says nothing about a model, and may name folders that are nobody's business.
SOURCES = dict.fromkeys(("task", "data", "train_file", "validation_file", "test_file"))


class About(Strict):
    """What is known of the run that a model comes from.

    Args:
        recipe: How it was trained, and is scored.
        data: How its rows were read; where they lie is not kept.
        method: The method's name.
        settings: The method's settings.
        metric: The metric that it is judged by.
        value: Its value on the validation rows.
        clean: That of clean training.
        fold: The number of the fold whose rows are its validation rows.
        seed: The number of its seed among those of the folds, from 0.
        folds: How many folds there are.
        seeds: How many seeds there are.
        study: The study that found the settings.
        trial: The number of the trial.
        versions: Of packages.
    """

    recipe: Recipe
    data: Data | None = None
    method: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    metric: str | None = None
    value: float | None = None
    clean: float | None = None
    fold: int | None = Field(None, ge=0)
    seed: int | None = Field(None, ge=0)
    folds: int | None = Field(None, ge=1)
    seeds: int | None = Field(None, ge=1)
    study: str | None = None
    trial: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)


class Units(Strict):
    """How the model's output becomes a target; as ``finetune.tasks.kind.Scale``."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    log_odds: bool = False

    @property
    def scale(self) -> Scale:
        """The same as arrays."""
        return Scale(np.array(self.mean, np.float32), np.array(self.std, np.float32), self.log_odds)


class Known(About):
    """What a saved model knows: the run, and everything that turns texts into the predictions that the run was scored by.

    Args:
        format: Of the file.
        task: The name of the data.
        fingerprint: Of its rows.
        kind: The kind of task.
        form: The form of the kind.
        names: Names of classes, labels or targets.
        units: How the output becomes a target; None if it does not.
        settled: What was chosen on the validation rows: the logits of thresholds.
        usual: The number of the tag of words without a token.
        max_length: The longest text in tokens.
        side: The side of the padding.
        inputs: What the tokeniser gives the model.
        pooling: How the head pools; "stock" for the model's own head.
        exact: Names of the tensors in ``advsearch.safetensors``.
        device: Where it was scored.
        pairs: Whether texts come in pairs.
    """

    format: int = FORMAT
    task: str
    fingerprint: str
    kind: KindName
    form: str = ""
    names: tuple[str, ...] = Field(min_length=1)
    units: Units | None = None
    settled: tuple[float, ...] | None = None
    usual: int = 0
    max_length: int = Field(ge=1)
    side: Literal["left", "right"]
    inputs: tuple[str, ...]
    pooling: str = "stock"
    exact: tuple[str, ...] = ()
    device: str = "cpu"
    pairs: bool = False


def portable(about: About) -> dict[str, Any]:
    """Its fields, without the places of the author's files."""
    data = None if about.data is None else about.data.model_copy(update=SOURCES)
    metric = None if about.metric is None else short_name(about.metric)
    return {**dict(about), "data": data, "metric": metric}


def write_known(known: Known, folder: Path) -> None:
    """Write the file.

    Raises:
        OSError: The folder cannot be written.
    """
    (folder / FILE).write_text(known.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """What a JSON file of this program holds.

    Raises:
        UserError: It cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} has more than {LARGEST} bytes; this program did not write it")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)[:200]}") from None


def read_known(folder: Path) -> Known:
    """What the model of a folder knows.

    Raises:
        UserError: There is no such file, or it is damaged, too large, or of another version.
    """
    path = folder / FILE
    if not path.is_file():
        what = "it was saved by another program, or by an earlier version of this one; train it again with search.py train"
        raise UserError(f"{folder} has no {FILE}, which says how texts are read and outputs are meant: {what}")
    found = read_json(path)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        there = found.get("format") if isinstance(found, dict) else None
        what = f"its format is {str(there)[:40]!r}, this version reads {FORMAT}"
        raise UserError(f"{path}: {what}; use the version that wrote it, or train the model again")
    try:
        return Known.model_validate_json(json.dumps(found))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {where or 'it'} is damaged: {first['msg'][:160]}") from None
