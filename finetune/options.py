"""Options of the command line that say what a run is about: ``config.Data`` and ``config.Recipe``, as they are typed.

Each is declared once, here, for all commands that train. Imports typer alone, so that ``--help`` and wrong options answer
at once.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

import typer


def opt(text: str, *names: str) -> Any:
    """An option with its help line."""
    return typer.Option(*names, help=text, show_default=False)


Text: TypeAlias = str | None
Number: TypeAlias = float | None
Whole: TypeAlias = int | None
Command = TypeVar("Command", bound=Callable[..., Any])


class Data:
    """Fields of ``config.Data``; the data of every command."""

    task: Annotated[Text, opt("a built-in task (reviews, when no data is given)")] = None
    data: Annotated[Text, opt("folder with train, dev and test files, or hub id")] = None
    train_file: Annotated[Text, opt(".csv, .tsv, .jsonl, .json or .parquet, also packed (.gz, .zip, ...)")] = None
    validation_file: Annotated[Text, opt("else a part of the train file")] = None
    test_file: Annotated[Text, opt("else a part of the train file, put aside")] = None
    text_column: Annotated[str, opt("column with the text (text)")] = "text"
    pair_column: Annotated[Text, opt("column with a second text")] = None
    label_column: Annotated[str, opt("column with the label; several targets with commas (label)")] = "label"
    kind: Annotated[Text, opt("classification or regression (told by labels and metric)")] = None
    delimiter: Annotated[Text, opt("what is between the cells of a .csv or .tsv (found out)")] = None
    quoting: Annotated[Text, opt("of cells: double, backslash, single, or none (found out)")] = None
    encoding: Annotated[Text, opt("of text files (utf-8, or found out)")] = None
    max_train_rows: Annotated[Whole, opt("train on so many rows, stratified, always the same")] = None
    max_validation_rows: Annotated[Whole, opt("score trials on so many rows, chosen as for training")] = None


class Recipe:
    """Fields of ``config.Recipe``."""

    metric: Annotated[Text, opt("what is optimised: accuracy, macro_f1, mcc, rmse, mcrmse, pearson, ...")] = None
    model: Annotated[Text, opt("tiny (built in), a folder, or a hub id")] = None
    epochs: Annotated[Whole, opt("epochs (6 for tiny, else 3)")] = None
    batch_size: Annotated[Whole, opt("rows of a micro-batch (16)")] = None
    learning_rate: Annotated[Number, opt("peak learning rate (4e-3 for tiny, else 5e-5)")] = None
    weight_decay: Annotated[Number, opt("AdamW's (0.01)")] = None
    warmup: Annotated[Number, opt("share of the steps (0.1)")] = None
    max_length: Annotated[Whole, opt("longest text in tokens (128)")] = None
    gradient_accumulation: Annotated[Whole, opt("micro-batches of an optimiser step (1)")] = None
    max_grad_norm: Annotated[Number, opt("gradient clipping, after unscaling (1.0)")] = None
    precision: Annotated[Text, opt("fp32, bf16 or fp16")] = None
    average: Annotated[Text, opt("none, ema or swa: which weights are scored and kept (none, the last)")] = None
    half_life: Annotated[Number, opt("ema: half-life, share of the steps (0.02)")] = None
    swa_start: Annotated[Number, opt("swa: share of the steps before it averages (0.7)")] = None
    swa_lr: Annotated[Number, opt("swa: learning rate from there on, share of the peak (0.5)")] = None
    threads: Annotated[Whole, opt("CPU threads (1 for tiny, else all)")] = None
    seed: Annotated[Whole, opt("of sampler, model, data order and dropout (0)")] = None


Sets = Annotated[list[str] | None, opt("fix a setting: --set K=3", "--set")]


def names(group: type) -> tuple[str, ...]:
    """The options of a group, by parameter name."""
    return tuple(inspect.get_annotations(group))


def takes(*groups: type, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command, in place of its ``**shared``, the options of these groups.

    Args:
        groups: ``Data``, ``Recipe``.
        without: Options that do nothing in this command.
    """

    def give(command: Command) -> Command:
        own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=hint)
            for group in groups
            for name, hint in inspect.get_annotations(group).items()
            if name not in without
        ]
        command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
        return command

    return give
