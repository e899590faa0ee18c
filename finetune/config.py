"""What a run needs: its data and its recipe. They are checked on construction and stored in best.yaml."""

import codecs
import re
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from finetune.arguments import arg
from finetune.errors import UserError, near
from finetune.words import listed

TINY = "tiny"
# double: "..." with "" inside; backslash: "..." with \\" inside; single: '...' with '' inside; none: marks are text.
Quoting: TypeAlias = Literal["double", "backslash", "single", "none"]
# Kinds of task: each is the file of that name in finetune/tasks. If labels fit several kinds, the first is taken.
KindName: TypeAlias = Literal["tokens", "multilabel", "classification", "ordinal", "regression"]
# Views of the validation rows beside the rows as they are: each is in finetune/training/views.py.
View: TypeAlias = Literal["robust", "noisy"]
# How the tags of words mark entities; plain tags mark none.
Scheme: TypeAlias = Literal["iob1", "iob2", "iobes", "bilou", "plain"]
KINDS = listed(get_args(KindName), "or")
# What people ask for beside these.
ELSE = {
    "multiple choice": ("multiple_choice", "swag"),
    "generation": (
        *("generation", "text_generation", "seq2seq", "summarization", "translation", "causal_lm", "question_answering"),
        *("bleu", "sacrebleu", "rouge", "rouge1", "rouge2", "rougel", "rougelsum", "perplexity", "meteor", "chrf", "ter"),
    ),
}
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Frozen, no unknown fields, no conversions that hide a typo, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Strict):
    """Where the rows come from, and how to read them. Exactly one of ``task``, ``data``, ``train_file`` is given.

    ``kind``, ``delimiter``, ``quoting`` and ``encoding`` are detected if they are None, and what was detected is printed.

    Example:
        >>> Data(data="my_folder", text_column="sentence").label_column
        ('label',)
        >>> checked(Data, {"train_fil": "rows.csv"})
        Traceback (most recent call last):
        finetune.errors.UserError: train_fil is not a setting; did you mean 'train_file'?
    """

    task: str | None = Field(None, description="a built-in task (reviews, when no data is given)")
    data: str | None = Field(None, description="folder with train, dev and test files, or hub id")
    train_file: str | None = Field(
        None, description=".csv, .tsv, .jsonl, .json, .parquet or .conll, also packed (.gz, .zip, ...)"
    )
    validation_file: str | None = Field(None, description="by default a part of the train file")
    test_file: str | None = Field(None, description="by default a part of the train file, put aside")
    text_column: str = Field("text", description="column with the text (text)")
    pair_column: str | None = Field(None, description="column with a second text")
    label_column: tuple[str, ...] = Field(
        ("label",), min_length=1, description="column with the label; separate several targets by commas (label)"
    )
    kind: KindName | None = Field(None, description=f"{KINDS} (detected from labels and metric)")
    label_separator: str | None = Field(
        None, description="multilabel: what separates the names of labels in a cell: ',', ';', '|', ..."
    )
    thresholds: Literal["fixed", "tuned"] = Field(
        "fixed", description="multilabel: a label is predicted above 0.5, or above what is best on validation (fixed)"
    )
    label_order: tuple[str, ...] | None = Field(
        None, min_length=2, description="ordinal: the classes, lowest first: bad,ok,good (numbers have an order)"
    )
    ordinal_as: Literal["cumulative", "classes", "number"] | None = Field(
        None, description="ordinal: trained as cumulative logits, as plain classes, or as a number (cumulative)"
    )
    tag_scheme: Scheme | None = Field(None, description="tokens: iob1, iob2, iobes, bilou, or plain tags (detected)")
    delimiter: str | None = Field(None, description="character between the cells of a .csv or .tsv (detected)")
    quoting: Quoting | None = Field(None, description="how cells are quoted: double, backslash, single, or none (detected)")
    encoding: str | None = Field(None, description="encoding of text files (utf-8, or detected)")
    max_train_rows: int | None = Field(None, ge=2, description="train on this many rows, stratified, always the same")
    max_validation_rows: int | None = Field(None, ge=2, description="score trials on this many rows, chosen in the same way")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
        if value is not None and (len(value) != 1 or value in "\r\n\"'"):
            raise ValueError("give one character, or tab")
        return value

    @field_validator("kind", mode="before")
    @classmethod
    def _of_this_program(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in get_args(KindName) and (what := no_task(value)):
            raise ValueError(what)
        return value

    @field_validator("label_separator")
    @classmethod
    def _some_separator(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t", "blank": " ", "space": " "}.get(value or "", value)
        if value is not None and (not value or value.strip().isalnum()):
            raise ValueError("give a mark such as ',' ';' or '|', or tab or blank")
        return value

    @field_validator("label_order")
    @classmethod
    def _each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("it names a class twice")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            return value if value is None else codecs.lookup(value).name
        except LookupError:
            raise ValueError("there is no such encoding; give utf-8, utf-16, cp1252, gb18030, shift_jis, ...") from None


class Recipe(Strict):
    """How a model is trained. Together with data and method it determines the result, bit for bit on one machine.

    ``warmup`` is a share of all optimiser steps, ``batch_size`` is the size of one micro-batch, ``threads`` are CPU
    threads (their number changes the rounding of sums).

    ``average`` says which weights are scored and kept: the last, or their mean over the run (``finetune.training.average``).
    ``half_life`` only has an effect with "ema", ``swa_start`` and ``swa_lr`` only with "swa". The first two are shares of
    all optimiser steps; ``swa_lr`` is the constant learning rate from ``swa_start`` on, as a share of the peak.

    ``score`` says whose metrics the run is judged by and which weights are saved (``finetune.training.chosen``).

    Example:
        >>> recipe = Recipe(model="tiny", epochs=3)
        >>> recipe.learning_rate, recipe.model_copy(update={"seed": 1}).seed
        (0.004, 1)
    """

    model: str = Field(TINY, description="tiny (built in), a folder, or a hub id")
    epochs: int = Field(6, ge=1, description="epochs (6 for tiny, else 3)")
    batch_size: int = Field(16, ge=1, description="rows of a micro-batch (16)")
    learning_rate: float = Field(4e-3, gt=0, description="peak learning rate (4e-3 for tiny, else 5e-5)")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="rate of a layer as a share of that of the next one up; 1: all the same (1)"
    )
    head_learning_rate: float | None = Field(None, gt=0, description="peak learning rate of the head (learning_rate)")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW (0.01)")
    warmup: float = Field(0.1, ge=0, lt=1, description="warmup, share of the steps (0.1)")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="the rate after the warmup: linear, cosine (both down to 0) or constant (linear)"
    )
    loss: Literal["cross_entropy", "focal", "bce", "mse", "smooth_l1"] | None = Field(
        None, description="cross_entropy, focal, bce, mse or smooth_l1 (the task's usual one)"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="cross_entropy: share spread over all classes (0)")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes count more in the loss (none)"
    )
    focal_gamma: float = Field(2.0, ge=0, le=20, description="focal: how much less easy rows count (2)")
    max_length: int = Field(128, ge=4, description="longest text in tokens (128)")
    gradient_accumulation: int = Field(1, ge=1, description="micro-batches per optimiser step (1)")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient clipping, after unscaling (1.0)")
    evals_per_epoch: int = Field(1, ge=1, description="evaluations in an epoch, as evenly as its steps allow (1)")
    score: Literal["last", "best", "soup"] = Field(
        "last",
        description="what a run is worth: its last evaluation, its best, or the mean weights of its best three (last)",
    )
    gradient_checkpointing: bool = Field(
        False, description="compute layers again in the backward pass: less memory, more time (no)"
    )
    compile: bool = Field(False, description="torch.compile the model for clean epochs and scores (no)")
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="fp32, bf16 or fp16")
    average: Literal["none", "ema", "swa"] = Field(
        "none", description="none, ema or swa: which weights are scored and kept (none: the last)"
    )
    half_life: float = Field(0.02, gt=0, le=1, description="ema: half-life, share of the steps (0.02)")
    swa_start: float = Field(0.7, ge=0, lt=1, description="swa: share of the steps before averaging (0.7)")
    swa_lr: float = Field(0.5, gt=0, le=1, description="swa: constant learning rate, share of the peak (0.5)")
    pooling: Literal["stock", "cls", "mean", "max", "attention", "last-layers"] = Field(
        "stock", description="the head: stock (the model's own), or a pooling one: cls, mean, max, attention or last-layers"
    )
    head_dropout: float | None = Field(None, ge=0, lt=1, description="dropout of the head (the model's; 0.1 with pooling)")
    multi_sample: int = Field(1, ge=1, le=64, description="with pooling: dropout samples, logits averaged (1)")
    freeze_embeddings: bool = Field(False, description="leave the embeddings as they are")
    freeze_layers: int = Field(0, ge=0, description="leave embeddings and this many first layers as they are (0)")
    reinit_layers: int = Field(0, ge=0, description="let this many last layers start anew (0)")
    threads: int = Field(1, ge=1, le=1024, description="CPU threads (1 for tiny, else all)")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of sampler, model, data order and dropout (0)")


def no_task(name: str) -> str:
    """Why a kind of task or a metric is not for this program; empty if nothing is known about it.

    Example:
        >>> no_task("bleu").split(":")[0], no_task("accuracy")
        ('generation is not a task of this program', '')
    """
    plain = name.lower().replace("-", "_").replace(" ", "_")
    what = next((what for what, names in ELSE.items() if plain in names), "")
    return f"{what} is not a task of this program: it trains {KINDS}" if what else ""


def checked(kind: type[Model], values: dict[str, Any], where: str = "") -> Model:
    """Build a configuration.

    Raises:
        UserError: A value is unknown, missing or not allowed; the message names the argument or the file.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        place = f"{where}: {name}" if where else arg(name)
        if first["type"] == "missing":
            raise UserError(f"{place} is missing") from None
        if first["type"] == "extra_forbidden":
            raise UserError(f"{place} is not a setting{near(name, kind.model_fields)}") from None
        said = first["msg"].removeprefix("Value error, ")
        close = near(str(first["input"]), options_in(first)) if first["type"] == "literal_error" else ""
        close = close if "did you mean" in close else ""
        raise UserError(f"{place} is {first['input']!r}: {said[0].lower()}{said[1:]}{close}") from None


def options_in(error: Any) -> list[str]:
    """The allowed values of a choice."""
    return re.findall("'([^']*)'", error["ctx"]["expected"])
