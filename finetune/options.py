"""Options of the command line that say what a run is about: ``config.Data`` and ``config.Recipe``, as they are typed.

Shared by the commands that train. Imports typer alone, so that ``--help`` and wrong options answer at once.
"""

from typing import Annotated, Any, TypeAlias

import typer


def opt(text: str, *names: str) -> Any:
    """An option with its help line."""
    return typer.Option(*names, help=text, show_default=False)


Text: TypeAlias = str | None
Number: TypeAlias = float | None
Whole: TypeAlias = int | None

Task = Annotated[Text, opt("a built-in task (reviews, when no data is given)")]
Data = Annotated[Text, opt("folder with train, dev and test files, or hub id")]
TrainFile = Annotated[Text, opt(".csv, .tsv (read without quoting), .jsonl or .parquet")]
ValidationFile = Annotated[Text, opt("else a part of the train file")]
TestFile = Annotated[Text, opt("else a part of the train file, put aside")]
TextColumn = Annotated[str, opt("column with the text (text)")]
PairColumn = Annotated[Text, opt("column with a second text")]
LabelColumn = Annotated[str, opt("column with the label; several targets with commas (label)")]
MaxTrainRows = Annotated[Whole, opt("train on so many rows, stratified, always the same")]
Metric = Annotated[Text, opt("what is optimised: accuracy, macro_f1, mcc, rmse, mcrmse, pearson, ...")]
Model = Annotated[Text, opt("tiny (built in), a folder, or a hub id")]
Epochs = Annotated[Whole, opt("epochs (6 for tiny, else 3)")]
BatchSize = Annotated[Whole, opt("rows of a micro-batch (16)")]
LearningRate = Annotated[Number, opt("peak learning rate (4e-3 for tiny, else 5e-5)")]
MaxLength = Annotated[Whole, opt("longest text in tokens (128)")]
Accumulation = Annotated[Whole, opt("micro-batches of an optimiser step (1)")]
Precision = Annotated[Text, opt("fp32, bf16 or fp16")]
Threads = Annotated[Whole, opt("CPU threads (1 for tiny, else all)")]
Seed = Annotated[Whole, opt("of sampler, model, data order and dropout (0)")]
Sets = Annotated[list[str] | None, opt("fix a setting: --set K=3", "--set")]
