"""Rows from local files, a folder, or a hub id."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.conll import looks_tagged, read_tagged, together
from finetune.data.decode import encoding_of, read_bytes
from finetune.data.delimited import TAB, Reading, Unfit, readings, usual
from finetune.data.hub import read_hub, read_parquet, read_saved
from finetune.data.jsonrows import read_json
from finetune.data.quotes import ENDS
from finetune.data.splits import FORMATS, LOOSE, NAMED, choose, files_of, format_of
from finetune.data.tagged import TAG_COLUMNS, WORD_COLUMNS
from finetune.errors import UserError
from finetune.tasks.table import Table, joined
from finetune.words import listed

WAYS = {
    "double": "quotation marks around cells",
    "single": "single quotation marks around cells",
    "backslash": "backslashes before quotation marks",
    "none": "quotation marks as text",
}
SUFFIXES = {".csv": ",", ".tsv": TAB}
ANYTHING = Data(task="reviews")


def read_tables(data: Data, told: list[str] | None = None) -> dict[str, Table]:
    """Read the splits that the data names.

    Args:
        data: Where the splits are, and how to read them.
        told: Lines to print; lines about what was detected, and how to change it, are added.

    Raises:
        UserError: A file or folder is missing, empty or unreadable.
    """
    told = [] if told is None else told
    named = {"train": data.train_file, "validation": data.validation_file, "test": data.test_file}
    if data.train_file:
        return read_files({split: [Path(name).expanduser()] for split, name in named.items() if name}, data, told)
    assert data.data is not None
    folder = Path(data.data).expanduser()
    if folder.is_file():
        raise UserError(f"{arg('data', data.data)} is a file; give it as {arg('train_file')}")
    given = {split: [_beside(folder, name)] for split, name in named.items() if name}
    if folder.is_dir():
        return read_folder(folder, data, told, given)
    if data.data.startswith((".", "/", "~")) or data.data.count("/") > 1:
        raise UserError(f"{arg('data', data.data)}: there is no such folder")
    return _splits(read_hub(data.data), data.data, told, given) | read_files(given, data, told)


def read_folder(
    folder: Path, data: Data = ANYTHING, told: list[str] | None = None, given: Mapping[str, list[Path]] | None = None
) -> dict[str, Table]:
    """A folder with train, validation (or dev) and test files, or one written by ``datasets.save_to_disk``.

    Raises:
        UserError: The folder has no train split.
    """
    told, given, where = [] if told is None else told, given or {}, arg("data", str(folder))
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        return _splits(read_saved(folder), str(folder), told, given) | read_files(given, data, told)
    tables = files_of(folder, data.kind == "tokens")
    found = choose(list(tables), where, told, list(given))
    if "train" not in found:
        here = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        formats = ", ".join(f"train{s}" for s in NAMED)
        way = f"name the files with {arg('train_file')} instead of {arg('data')}"
        raise UserError(f"{where} has no train file ({formats}); it holds {here}; {way}")
    return read_files({split: tables[name] for split, name in found.items()} | dict(given), data, told)


def read_file(path: Path, data: Data = ANYTHING, told: list[str] | None = None) -> Table:
    """One table; its suffix gives the format. Cells of .csv and .tsv stay text, so that a label "007" survives.

    Raises:
        UserError: The file is missing, empty, of another format, or can be read in several ways.
    """
    return read_files({"train": [path]}, data, [] if told is None else told)["train"]


def read_files(splits: Mapping[str, Sequence[Path]], data: Data, told: list[str]) -> dict[str, Table]:
    """Read the tables of all splits; the files of one split are joined. Files in one folder are read in the same way.

    Raises:
        UserError: A file is missing, empty, of another format, or can be read in several ways.
    """
    paths = [path for group in splits.values() for path in group]
    texts: dict[Path, str] = {}
    tables: dict[Path, Table] = {}
    known: list[str] = []
    for path in paths:
        check_file(path)
        raw, what = read_bytes(path), f"{path} cannot be read as {format_of(path)[1:]}"
        if FORMATS[format_of(path)] == "parquet":
            tables[path] = read_parquet(raw, what)
            continue
        encoding = data.encoding or encoding_of(raw, what, known)
        texts[path] = decoded(raw, encoding, what)
        if FORMATS[format_of(path)] == "json":
            tables[path] = read_json(texts.pop(path), what, columns_of(data))
        if not data.encoding and not encoding.startswith("utf-"):
            known.append(encoding)
            told.append(f"{path.name} is read as {encoding}, by its bytes; {arg('encoding')} changes that")
    tables |= read_sentences(texts, splits, data, told)
    tables |= read_delimited({path: text for path, text in texts.items() if path not in tables}, data, told)
    for path, table in tables.items():
        if not table.rows:
            raise UserError(f"{path} has no rows")
        table.file = path.name
    for split, group in splits.items():
        if any(tables[path].keys() != tables[group[0]].keys() for path in group):
            raise UserError(f"{group[0]}: the files of the {split} split have different columns")
    return {split: joined([tables[path] for path in group]) for split, group in splits.items()}


def read_sentences(
    texts: Mapping[Path, str], splits: Mapping[str, Sequence[Path]], data: Data, told: list[str]
) -> dict[Path, Table]:
    """Files of words with their tags: by suffix, by their content, or because the kind of task is given.

    Raises:
        UserError: A file has a suffix for words with tags, and the kind is another; or it cannot be read completely.
    """
    by_suffix = {path for path in texts if FORMATS[format_of(path)] == "words"}
    if by_suffix and data.kind not in (None, "tokens"):
        path = min(by_suffix)
        what = f"{format_of(path)} files are read as words with their tags, for {arg('kind', 'tokens')}"
        raise UserError(f"{arg('kind', data.kind)}: {what}; give {path.name} a suffix such as .csv or .tsv")
    sure = set[Path]()
    if data.kind in (None, "tokens"):
        sure = {path for path in by_suffix if format_of(path) not in LOOSE}
        sure |= {path for path, text in texts.items() if looks_tagged(text, data.delimiter)}
        if sure & set(splits.get("train", ())) or data.kind == "tokens":
            # A test file without tags is not sure by itself.
            sure |= {path for path, text in texts.items() if not tabled(text, data)}
    if left := sorted(by_suffix - sure):
        what = "it does not look like words with tags, an empty line after each sentence"
        ways = f"use {', '.join(NAMED)}, or {arg('kind', 'tokens')}"
        raise UserError(f"{left[0]}: cannot read {format_of(left[0])}: {what}; {ways}")
    of, said = {path: split for split, group in splits.items() for path in group}, list[str]()
    found = {path: read_tagged(texts[path], path, data, of[path], said) for path in texts if path in sure}
    told += together(said)
    return found


def tabled(text: str, data: Data) -> bool:
    """Whether the first line has the names of the text and label columns, so that the file is a table."""
    header = {cell.strip(" \"'").lower() for cell in re.split(r"[,;|\t]", ENDS.split(text, maxsplit=1)[0])}
    words, tags = ({name.lower() for name in names} for names in ((data.text_column,), data.label_column))
    return bool(header & {*words, *WORD_COLUMNS}) and bool(header & {*tags, *TAG_COLUMNS})


def check_file(path: Path) -> None:
    """Refuse what cannot be read as a table.

    Raises:
        UserError: The path is a folder, or the file is missing, empty or of another format.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; give it as {arg('data')}")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if format_of(path) not in FORMATS:
        raise UserError(f"{path}: cannot read {format_of(path) or 'a file without suffix'}; use {', '.join(NAMED)}")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty")


def columns_of(data: Data) -> list[str]:
    """The columns that the data names."""
    return [data.text_column, *([data.pair_column] if data.pair_column else []), *data.label_column]


def decoded(raw: bytes, encoding: str, what: str) -> str:
    """The text of a file.

    Raises:
        UserError: The file has another encoding; the message names the line.
    """
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{what}: line {line} is not {encoding}; give another {arg('encoding')}") from None
    except LookupError:
        raise UserError(f"{arg('encoding', encoding)} is not an encoding of text") from None


def read_delimited(texts: Mapping[Path, str], data: Data, told: list[str]) -> dict[Path, Table]:
    """Tables of .csv and .tsv files. If one can be read in two ways, the files next to it decide.

    Raises:
        UserError: A file cannot be read completely, or can be read in two ways; the message names line and argument.
    """
    found: dict[Path, list[Reading]] = {}
    for path, text in texts.items():
        try:
            suffix = SUFFIXES[format_of(path)]
            found[path] = readings(text, data.delimiter, data.quoting, suffix, columns_of(data))
        except Unfit as error:
            raise UserError(f"{path} cannot be read as {format_of(path)[1:]}: {error}") from None
    clear = {ways[0].quoting for path, ways in found.items() if len(ways) == 1 and '"' in texts[path]}
    tables = {}
    for path, ways in found.items():
        beside = [way for way in ways if way.quoting in clear]
        way = the_reading(path, beside if len(beside) == 1 else ways, data, told)
        tables[path] = _table(way, path, data)
    return tables


def the_reading(path: Path, ways: Sequence[Reading], data: Data, told: list[str]) -> Reading:
    """The only way to read a file; a line says what was detected.

    Raises:
        UserError: There are several.
    """
    way = ways[0]
    if len(ways) > 1:
        raise UserError(f"{path} can be read in two ways: {_difference(*ways[:2])}")
    said = [f"cells that end at {way.delimiter!r} ({arg('delimiter')})"]
    said = [] if data.delimiter or way.delimiter == SUFFIXES[format_of(path)] else said
    if not data.quoting and way.quoting != usual(way.delimiter):
        said.append(f"{WAYS[way.quoting]} ({arg('quoting')})")
    if said:
        told.append(f"{path.name} is read with {listed(said)}, by its content")
    return way


def _table(way: Reading, path: Path, data: Data) -> Table:
    twice = [name for name in columns_of(data) if way.header.count(name) > 1]
    if twice:
        raise UserError(f"{path} has {way.header.count(twice[0])} columns named {twice[0]!r}; rename all but one")
    columns = zip(*way.records, strict=True) if way.records else [()] * len(way.header)
    found = Table({name: list(cells) for name, cells in zip(way.header, columns, strict=True)}, lines=way.lines)
    found.twice = frozenset(name for name, count in Counter(way.header).items() if count > 1)
    return found


def _difference(one: Reading, other: Reading) -> str:
    pairs = zip(one.records, other.records, strict=False)
    row = next((n for n, (a, b) in enumerate(pairs) if a != b), 0)
    line = one.lines[row] if row < len(one.lines) else 1
    options = f"give {arg('quoting', one.quoting)} or {arg('quoting', other.quoting)}"
    return f"from line {line} on the quotation marks or backslashes may be part of the text; {options}"


def _beside(folder: Path, name: str) -> Path:
    """A file by its path, or by its name in the folder."""
    path = Path(name).expanduser()
    return folder / name if not path.exists() and (folder / name).exists() else path


def _splits(tables: dict[str, Table], where: str, told: list[str], given: Mapping[str, Any]) -> dict[str, Table]:
    found = choose(list(tables), arg("data", where), told, list(given))
    if "train" not in found:
        raise UserError(f"{arg('data', where)} has no train split; it has {', '.join(tables)}")
    return {split: tables[name] for split, name in found.items()}
