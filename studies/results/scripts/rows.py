"""How a script reads the rows of a search: with pandas where that gives the same rows, else with this project's reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.config import Data
from finetune.data.decode import encoding_of, read_bytes
from finetune.data.delimited import Unfit, readings
from finetune.data.files import SUFFIXES, columns_of, decoded
from finetune.data.parts import put_aside, subset
from finetune.data.splits import FORMATS, choose, files_of, format_of
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks.entities import NO_WORD
from finetune.tasks.task import Rows, Task
from studies.results.scripts.templates import pages

# Kinds whose rows scikit-learn's own split puts aside.
BY_CLASS = ("classification", "ordinal", "regression")
# A script does not list more row numbers than this.
LISTED = 20_000
# What may stand between the names of labels in a cell.
SEPARATORS = (",", ";", "|", " ", "/")
QUOTED = {
    "single": ', quotechar="\'"',
    "none": ", quoting=csv.QUOTE_NONE",
    "backslash": ', escapechar="\\\\", doublequote=False',
}


@dataclass(frozen=True)
class Reader:
    """Code that leaves ``train`` and ``validation``, each with texts, pairs and labels.

    Args:
        code: The code.
        plain: Whether it needs pandas and scikit-learn only.
        why: Why it needs this project's reader, for a comment.
    """

    code: str
    plain: bool
    why: str = ""


def reader_for(data: Data, task: Task, folds: Folds | None = None) -> Reader | str:
    """The code that reads the rows with pandas, or why pandas does not give the rows of the search.

    Args:
        data: The data.
        task: Its rows, of the first fold.
        folds: The folds, if there are any.
    """
    if folds is not None and (task.kind not in BY_CLASS or folds != Folds(folds=folds.folds, seeds=folds.seeds)):
        return "it divides the rows into the folds of the search"
    try:
        files = files_for(data)
        tables = {split: table_code(path, data) for split, path in files.items()}
    except (UserError, Unfit, OSError, LookupError) as error:
        return str(error)
    if "train" not in tables:
        return "the data is not one file for each split"
    page = pages().get_template("rows.py.jinja")
    separators = [data.label_separator] if data.label_separator else list(SEPARATORS)
    for separator in separators if task.kind == "multilabel" and len(data.label_column) == 1 else [None]:
        values: dict[str, Any] = {"data": data, "task": task, "tables": tables, "separator": separator}
        values |= {
            "folds": None if folds is None else folds.folds,
            "words": any(code.startswith("read_words") for code in tables.values()),
        }
        try:
            code = page.render(**values, cut=cuts(page.render(**values, cut=None), data, task, tables, folds is not None))
            if same(namespace(code, task.names), task):
                return Reader(code, True)
        except (ValueError, LookupError, TypeError, AttributeError, OSError):  # the project's own reader does not fail here
            continue
    return "pandas reads other rows from these files than the search did"


def files_for(data: Data) -> dict[str, Path]:
    """The file of each split.

    Raises:
        UserError: The folder has no such files.
    """
    if data.train_file is not None:
        named = {"train": data.train_file, "validation": data.validation_file, "test": data.test_file}
        return {split: Path(name).expanduser() for split, name in named.items() if name}
    folder = Path(str(data.data)).expanduser()
    if data.task is not None or not folder.is_dir() or (folder / "dataset_dict.json").exists():
        return {}
    found = files_of(folder, data.kind == "tokens")
    chosen = choose(list(found), str(folder), [])
    return {split: found[name][0] for split, name in chosen.items() if len(found[name]) == 1}


def table_code(path: Path, data: Data) -> str:
    """An expression that reads a table.

    Raises:
        Unfit: The file cannot be read.
    """
    kind, where = FORMATS[format_of(path)], repr(str(path))
    if kind == "parquet":
        return f"pd.read_parquet({where})"
    raw = read_bytes(path)
    encoding = data.encoding or encoding_of(raw, str(path))
    encoded = "" if encoding in ("utf-8", "ascii") else f", encoding={encoding!r}"
    if kind == "json":
        lines = raw.lstrip()[:1] != b"["
        return f"pd.read_json({where}{', lines=True' if lines else ''}, dtype=False, convert_dates=False{encoded})"
    if kind == "words":
        return f"read_words({where}{encoded})"
    text = decoded(raw, encoding, str(path))
    way = readings(text, data.delimiter, data.quoting, SUFFIXES[format_of(path)], columns_of(data))[0]
    between = "" if way.delimiter == "," else f", sep={way.delimiter!r}"
    marks = QUOTED.get(way.quoting, "")
    marked = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else ""
    encoded = f", encoding={marked!r}" if marked else encoded
    return f"pd.read_csv({where}{between}{marks}, dtype=str, keep_default_na=False{encoded})"


def namespace(code: str, names: Sequence[str]) -> dict[str, Any]:
    """What the code leaves."""
    import csv
    import warnings
    from typing import NamedTuple

    import pandas as pd
    from sklearn.model_selection import StratifiedKFold, train_test_split

    here: dict[str, Any] = {"np": np, "pd": pd, "csv": csv, "NamedTuple": NamedTuple, "train_test_split": train_test_split}
    here |= {"NAMES": list(names), "StratifiedKFold": StratifiedKFold, "__name__": "rows"}
    with warnings.catch_warnings(action="ignore"):
        exec(compile(code, "rows", "exec"), here)
    return here


def cuts(code: str, data: Data, task: Task, tables: Mapping[str, Any], folded: bool) -> dict[str, Any]:
    """Which rows are put aside: that scikit-learn splits them, or their numbers; with folds, none for validation."""
    missing = [name for name in ("test", "validation") if name not in tables and (name == "test" or not folded)]
    found: dict[str, Any] = {"missing": missing, "train": data.max_train_rows, "validation": data.max_validation_rows}
    found |= {"rows": None}
    if task.kind in BY_CLASS:
        return found
    read = namespace(code, task.names)
    whole = {name: numbered(read[name].labels, task) for name in ("train", "validation") if name in read}
    parts = whole | ({"test": whole["train"]} if "test" in tables else {})
    put_aside(parts, task.kind, [])
    asked = {"train": data.max_train_rows, "validation": data.max_validation_rows}
    taken = {name: [int(one) for one in subset(parts[name], task.kind, asked[name]).texts] for name in asked}
    if sum(map(len, taken.values())) > LISTED and (missing or any(asked.values())):
        raise ValueError("too many row numbers")
    changed = {name: rows for name, rows in taken.items() if name not in whole or len(rows) < len(whole[name])}
    return found | {"rows": changed}


def numbered(labels: Any, task: Task) -> Rows:
    """Rows whose texts are their numbers."""
    if task.kind == "tokens":
        padded = np.full((len(labels), max(map(len, labels))), NO_WORD, np.int16)
        for row, tags in enumerate(labels):
            padded[row, : len(tags)] = [task.names.index(tag) for tag in tags]
        labels = padded
    return Rows([str(n) for n in range(len(labels))], None, labels)


def same(here: Mapping[str, Any], task: Task) -> bool:
    """Whether the code has read the rows of the search."""
    return all(alike(here[name], getattr(task, name), task) for name in ("train", "validation"))


def alike(read: Any, rows: Rows, task: Task) -> bool:
    """Whether these are the same rows."""
    if task.kind == "tokens":
        tags: Sequence[Any] = [[task.names[tag] for tag in row if tag != NO_WORD] for row in rows.labels]
        return [" ".join(words) for words in read.texts] == rows.texts and [list(one) for one in read.labels] == list(tags)
    return read.texts == rows.texts and read.pairs == rows.pairs and np.array_equal(read.labels, rows.labels)


def own_reader(data: Data, task: Task, metric: str, why: str, folds: Folds | None = None) -> Reader:
    """The code that reads the rows with this project."""
    page = pages().get_template("own_rows.py.jinja")
    return Reader(
        page.render(data=data, metric=metric, folds=folds, words=task.kind == "tokens", no_word=NO_WORD), False, why
    )
