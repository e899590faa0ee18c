"""Rows from local files, a folder, or a hub id, read with ``datasets``."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from finetune.config import Data
from finetune.errors import UserError, first_line

Table = dict[str, list[Any]]
FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
SPLITS = {"train": ("train",), "validation": ("validation", "valid", "dev", "val"), "test": ("test",)}
QUOTE_NONE = 3


@contextmanager
def quiet_datasets() -> Iterator[Any]:
    """The ``datasets`` package without its progress bars, and without its log: what fails is raised as well."""
    import datasets

    hidden, level = datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield datasets
    finally:
        datasets.logging.set_verbosity(level)
        if not hidden:
            datasets.enable_progress_bars()


def read_tables(data: Data) -> dict[str, Table]:
    """The splits that the data names, as columns.

    Raises:
        UserError: A file or folder is missing, empty or unreadable.
    """
    if data.train_file:
        names = {"train": data.train_file, "validation": data.validation_file, "test": data.test_file}
        return {split: read_file(Path(name).expanduser()) for split, name in names.items() if name}
    assert data.data is not None
    folder = Path(data.data).expanduser()
    if folder.is_file():
        raise UserError(f"--data {data.data} is a file; give it as --train-file")
    if folder.is_dir():
        return read_folder(folder)
    if data.data.startswith((".", "/", "~")) or data.data.count("/") > 1:
        raise UserError(f"--data {data.data}: there is no such folder")
    return read_hub(data.data)


def read_folder(folder: Path) -> dict[str, Table]:
    """A folder with train/validation (or dev)/test files, or one written by ``datasets.save_to_disk``.

    Raises:
        UserError: It holds no training split.
    """
    if (folder / "dataset_dict.json").exists():
        with quiet_datasets() as datasets:
            try:
                saved = datasets.load_from_disk(str(folder))
            except Exception as error:  # many unrelated types; all mean: not readable
                raise UserError(f"--data {folder} is no whole data set: {first_line(error)[:160]}") from None
        return _splits({str(name): table.to_dict() for name, table in saved.items()}, str(folder))
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in FORMATS and found.setdefault(path.stem, path) != path:
            raise UserError(f"--data {folder} has both {found[path.stem].name} and {path.name}; keep one")
    if not any(name in found for name in SPLITS["train"]):
        here = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        raise UserError(f"--data {folder} has no train file ({', '.join(f'train{s}' for s in FORMATS)}); it holds {here}")
    known = {alias for aliases in SPLITS.values() for alias in aliases}
    return _splits({name: read_file(path) for name, path in found.items() if name in known}, str(folder))


def read_hub(name: str) -> dict[str, Table]:
    """A data set of that id from the hub (or from the local cache, offline).

    Raises:
        UserError: It cannot be had.
    """
    with quiet_datasets() as datasets:
        try:
            loaded = datasets.load_dataset(name)
        except Exception as error:  # the client raises many unrelated types; all mean: not available
            raise UserError(f"--data {name} is no folder here, and the hub does not give it: {first_line(error)}") from None
        return _splits({str(split): table.to_dict() for split, table in loaded.items()}, name)


def read_file(path: Path) -> Table:
    """One table; the suffix tells the format.

    A .tsv is read without quoting (sentences start with literal quotation marks), a .csv with it. In both every cell
    stays text, so that a label "007" and a sentence "null" survive.

    Raises:
        UserError: The file is missing, empty, of another format, or not UTF-8.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; give it as --data")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: cannot read {path.suffix or 'a file without suffix'}; use {', '.join(FORMATS)}")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty")
    options: dict[str, Any] = {}
    try:
        with quiet_datasets() as datasets, tempfile.TemporaryDirectory() as cache, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            if FORMATS[path.suffix] == "csv":
                options = {"sep": "\t", "quoting": QUOTE_NONE} if path.suffix == ".tsv" else {"sep": ","}
                header = list(pd.read_csv(path, nrows=0, **options).columns)
                features = datasets.Features({name: datasets.Value("string") for name in header})
                # Rows longer than the header are refused: pandas would take their first column for an index.
                options |= {"keep_default_na": False, "index_col": False, "features": features}
            table = datasets.load_dataset(FORMATS[path.suffix], data_files=str(path), cache_dir=cache, **options)
            columns: Table = table["train"].to_dict()
    except Exception as error:  # parsers raise many unrelated types; all mean: not readable
        reason = first_line(error.__cause__ or error)
        if "corresponds to no data" in reason:
            raise UserError(f"{path} has no rows") from None
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {reason[:160]}") from None
    if not columns or not len(next(iter(columns.values()))):
        raise UserError(f"{path} has no rows")
    return columns


def _splits(tables: dict[str, Table], where: str) -> dict[str, Table]:
    found: dict[str, Table] = {}
    for split, aliases in SPLITS.items():
        for alias in aliases:
            if alias in tables:
                found.setdefault(split, tables[alias])
    if "train" not in found:
        raise UserError(f"--data {where} has no train split; it has {', '.join(tables)}")
    return found
