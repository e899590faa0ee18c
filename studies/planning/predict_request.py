"""What the predict command is asked for."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from finetune.arguments import arg
from finetune.config import Data, Quoting, Strict, checked
from finetune.errors import UserError

FORMATS = ("csv", "tsv", "jsonl", "parquet", "conll", "submission")
# What is written where nothing else is said.
OUT, SUBMISSION = "predictions.csv", "submission.csv"


class PredictRequest(Strict):
    """Models, a file, and how predictions are written."""

    models: tuple[str, ...] = Field(min_length=1, description="saved models, folders of folds, ensembles: their mean")
    file: str = Field(description="the rows to predict")
    out: str | None = Field(None, description="file to write, or - (predictions.csv); the suffix says how")
    mean: Literal["probabilities", "logits", "ranks"] = Field(
        "probabilities", description="what is averaged: probabilities (numbers as they are), logits or ranks (probabilities)"
    )
    format: Literal["csv", "tsv", "jsonl", "parquet", "conll", "submission"] | None = Field(
        None, description="csv, tsv, jsonl, parquet, conll or submission (by the suffix of the output)"
    )
    template: str | None = Field(None, description="a sample submission: its rows are filled, in their order")
    id_column: tuple[str, ...] | None = Field(
        None, min_length=1, description="columns to keep (all but the texts); with a template those that match its rows"
    )
    values: Literal["names", "numbers", "probabilities"] | None = Field(
        None, description="with a template: names of classes, their numbers (labels: 0 and 1), or probabilities (as it has)"
    )
    text_column: str | None = Field(None, description="column with the text (as in training)")
    pair_column: str | None = Field(None, description="column with the second text (as in training)")
    label_column: tuple[str, ...] | None = Field(
        None, min_length=1, description="column with the label, if there is one: predictions are scored (as in training)"
    )
    delimiter: str | None = Field(None, description="character between the cells of a .csv or .tsv (detected)")
    quoting: Quoting | None = Field(None, description="how cells are quoted: double, backslash, single, or none (detected)")
    encoding: str | None = Field(None, description="encoding of text files (utf-8, or detected)")


def refuse_idle(request: PredictRequest) -> None:
    """Refuse what does nothing, or contradicts something else.

    Raises:
        UserError: There is such an argument.
    """
    if request.format == "submission" and request.template is None:
        raise UserError(
            f"{arg('format', 'submission')} needs a sample of it: give {arg('template', 'sample_submission.csv')}"
        )
    if request.template is not None and request.format not in (None, "submission"):
        raise UserError(
            f"{arg('format', request.format)} and {arg('template')}: a template is filled as it is; leave one out"
        )
    if request.values is not None and request.template is None:
        raise UserError(f"{arg('values', request.values)} is for a {arg('template')}; without one, all of them are written")


def refuse_swapped(request: PredictRequest) -> None:
    """Refuse a file among the models where the last path is a folder.

    Raises:
        UserError: The order is another one.
    """
    files = [name for name in request.models if Path(name).expanduser().is_file()]
    if files and Path(request.file).expanduser().is_dir():
        raise UserError(f"{files[0]} is a file and {request.file} a folder: the file to predict comes last")


def data_of(request: PredictRequest, known: Data | None, pairs: bool) -> Data:
    """How the file is read: the model's columns, unless others are asked for.

    Args:
        request: What is asked for.
        known: How the model's rows were read.
        pairs: Whether the model reads two texts.

    Raises:
        UserError: A value is not allowed, or the model reads another number of texts.
    """
    usual = known or Data()
    columns = ("text_column", "pair_column", "label_column")
    asked = {name: getattr(request, name) for name in (*columns, "delimiter", "quoting", "encoding")}
    values = usual.model_dump() | {"delimiter": None, "quoting": None, "encoding": None, "task": "reviews"}
    values |= {name: value for name, value in asked.items() if value is not None}
    if not pairs and request.pair_column is not None:
        raise UserError(f"{arg('pair_column', request.pair_column)}: the model reads one text; leave it out")
    if pairs and values["pair_column"] is None:
        raise UserError(f"the model reads two texts: give {arg('pair_column')}")
    return checked(Data, values)
