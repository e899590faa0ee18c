"""Which files of a folder, or splits of a data set, are train, validation and test: chosen by name, and printed."""

import re
from collections.abc import Sequence
from pathlib import Path

from finetune.arguments import arg
from finetune.data.decode import PACKED
from finetune.errors import UserError
from finetune.words import listed

TABLES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
# Files of words with their tags.
TAGGED = (".conll", ".conllu", ".bio", ".bio2", ".iob", ".iob2", ".iobes", ".bioes", ".bilou", ".bmes", ".ner")
ANY = ".txt"
# Suffixes that name a split, as in eng.testa; like .txt they say nothing of the format.
LOOSE = (ANY, ".train", ".dev", ".valid", ".test", ".testa", ".testb")
FORMATS = TABLES | dict.fromkeys((*TAGGED, *LOOSE), "words")
NAMED = (*TABLES, ".conll", ANY)
SPLITS = {
    "train": ("train",),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test",),
}
# Names of the train split, and names that count if nothing has one of the first.
TRAIN = (SPLITS["train"], ("training",))
# Other names for the same splits, also as a part of a name: development.csv, testing.csv, eval_v2.csv.
LIKE = {
    "train": ("train", "training"),
    "validation": (*SPLITS["validation"], "development", "validate", "eval", "evaluation"),
    "test": ("test", "testing"),
}
# GLUE's name for the half of a split that comes from the same sources as the train rows; "mismatched" is the other half.
MATCHED = "matched"
# The hub's older files end in a hash.
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]{16})?")
SHOWN = 6


def format_of(path: Path) -> str:
    """The suffix that says how to read a file, packed or not, in lower case."""
    inner = Path(path.stem) if path.suffix.lower() in PACKED else path
    return inner.suffix.lower()


def stem_of(path: Path) -> str:
    """A file's name without its suffixes."""
    inner = Path(path.stem) if path.suffix.lower() in PACKED else path
    return inner.stem


def another(split: str) -> str:
    """The end of a line about a file that was chosen for a split: how to choose another."""
    return f"{arg(f'{split}_file')} takes another"


def choose(names: Sequence[str], where: str, told: list[str], given: Sequence[str] = ()) -> dict[str, str]:
    """Choose a name for each split, as far as there is one.

    Args:
        names: Files, or splits of a data set.
        where: The folder or data set, for messages.
        told: Lines to print; lines about similar names that were chosen, and names that were not used, are added.
        given: Splits that the user has named.

    Raises:
        UserError: Several names fit one split equally well.
    """
    found: dict[str, str] = {}
    for split, aliases in SPLITS.items():
        if split in given:
            continue
        exact = [name for alias in aliases for name in names if _plain(name).lower() == alias]
        like = [name for name in names if name not in exact and _like(_plain(name)) == split]
        twice = [name for name in exact if _plain(name).lower() == _plain(exact[0]).lower()]
        if len(twice) > 1:
            raise UserError(f"{where} has both {twice[0]} and {twice[1]}; keep one")
        if not exact and split == "train":  # parts of a name do not say which rows to train on
            like = [name for name in like if _plain(name).lower() in TRAIN[1]]
        matched = [name for name in like if _words(_plain(name))[1:] == [MATCHED]]
        chosen = exact[:1] or (like if len(like) == 1 else matched if len(matched) == 1 else [])
        if not chosen and like:
            what = f"{listed(like[:SHOWN], 'or')} may be the {split} split"
            raise UserError(f"{where}: {what}; choose one with {arg(f'{split}_file')}")
        left = [name for name in (*exact, *like) if name not in chosen]
        if chosen:
            found[split] = chosen[0]
            if not exact:
                told.append(f"{chosen[0]} is the {split} split, by its name; {another(split)}")
        if left:
            one = "looks like a split and is" if len(left) == 1 else "look like splits and are"
            told.append(f"{', '.join(left[:SHOWN])} {one} not used; {another(split)}")
    return found


def files_of(folder: Path, tagged: bool = False) -> dict[str, list[Path]]:
    """Tables of a folder by name, or files of words with their tags where there is no table to train on.

    Args:
        folder: The folder.
        tagged: Whether files of words with their tags come first.

    Raises:
        UserError: A part of a table is missing.
    """
    ways = [tuple(TABLES), (*TAGGED, ANY)]
    found = [_files(folder, suffixes) for suffixes in ([TAGGED, *ways] if tagged else ways)]
    trained = [files for files in found if any(_plain(name).lower() in called for called in TRAIN for name in files)]
    return (trained or [files for files in found if files] or found)[0]


def _files(folder: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """Files with these suffixes by name; parts named -00000-of-00002 and so on make one table.

    They are in the folder, in its folder ``data``, or in folders with names of splits.
    """
    roots = [_tables(root, suffixes) for root in (folder, folder / "data")]
    inside = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    for called in TRAIN:
        for tables in roots:
            if any(_plain(name).lower() in called for name in tables):
                return tables
        if any(name.lower() in called for name in inside):
            held = {
                name: [path for paths in _tables(root, suffixes).values() for path in paths] for name, root in inside.items()
            }
            return {name: paths for name, paths in held.items() if paths}
    return roots[0]


def _tables(folder: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # macOS packs a "._dev.csv" next to dev.csv.
        if path.is_file() and format_of(path) in suffixes and not path.name.startswith("."):
            shard = SHARD.fullmatch(stem_of(path))
            found.setdefault(path.name.replace(shard[0], shard[1]) if shard else path.name, []).append(path)
    for paths in found.values():
        parts = [shard for path in paths if (shard := SHARD.fullmatch(stem_of(path)))]
        numbers, whole = [int(part[2]) for part in parts], {int(part[3]) for part in parts}
        if len(set(numbers)) < len(numbers) or len(whole) > 1:
            raise UserError(f"{paths[0]}: these are parts of several versions of this table; keep those of one")
        if parts and len(numbers) != max(whole):
            raise UserError(f"{paths[0]}: parts of this table are missing: found {len(paths)} of {max(whole)}")
    return found


def _plain(name: str) -> str:
    path = Path(name)
    return stem_of(path) if format_of(path) in (*TABLES, *TAGGED, ANY) else name


def _words(name: str) -> list[str]:
    """Words of a name, also if only case or a digit separates them: devSet, dev2020."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]


def _like(name: str) -> str | None:
    """The only split that the words of a name stand for; None if they stand for none or several."""
    splits = {split for split, words in LIKE.items() for word in _words(name) if word in words}
    return splits.pop() if len(splits) == 1 else None
