"""What a study keeps on disk. Links are never followed, and files with other names than ours are not ours."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

# What a search writes into the folder of its study.
WRITTEN = re.compile(
    r"report\.html|trials\.csv|best\.yaml|predictions-\d+\.csv|oof-\d+\.safetensors|\.writable|\.writing-.*|\.used-by-.*"
)
# What it keeps there for trials, and for clean training, that are not finished.
UNFINISHED = re.compile(
    r"(trial|race|verdict|parts|against_[a-z]+)-\d+((-run-\d+(-state)?)?\.safetensors|-run-\d+\.lock)?"
    r"|seed-\d+(-fold-\d+)?-\d+(-\d+)?\.safetensors|clean"
)
# What a killed process leaves of a file that it was writing.
TORN = re.compile(r"\.writing-.*")
FIGURES = "figures"
FIGURE = re.compile(r".*\.(png|svg)|\.writing-.*")
CLEAN = re.compile(
    r"clean-\d+(-\d+)?\.safetensors|clean\.json|clean-output\.json|clean-luck\.json"
    r"|clean-run-\d+((-\d+(-\d+)?|-state)?\.safetensors|-luck\.json|\.lock)|\.writing-.*|\.used-by-.*"
)
# Out-of-fold predictions of its best trials, and in a folder of their own the models that `--keep` keeps.
OOF = re.compile(r"oof-\d+\.safetensors")
MODELS = "models"
MODEL = re.compile(r"trial-\d+(-unfinished)?|\.writing-.*")


def own_files(folder: Path) -> list[Path]:
    """What a search wrote into the folder of a study; folders of a trial count as one."""
    figures = folder / FIGURES
    return [*named(folder, WRITTEN), *snapshots(folder), *named(figures, FIGURE), *models(folder)]


def snapshots(folder: Path) -> list[Path]:
    """States of trials that are not finished."""
    return named(folder, UNFINISHED)


def models(folder: Path) -> list[Path]:
    """Folders of the models that a study keeps."""
    return named(folder / MODELS, MODEL) if is_folder(folder) else []


def clean_files(folder: Path) -> list[Path]:
    """Files in a folder of shared clean epochs."""
    return named(folder, CLEAN)


def named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Files and folders in a folder whose complete names fit; no links, and nothing if the folder is a link."""
    if not is_folder(folder):
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name) and is_plain(path))


def is_folder(path: Path) -> bool:
    """Whether the path is a folder and not a link."""
    return not path.is_symlink() and path.is_dir()


def is_plain(path: Path) -> bool:
    """Whether the path is a file or a folder and not a link."""
    try:
        kind = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind)


def bytes_of(*paths: Path) -> int:
    """Bytes of files and folders; files that vanish meanwhile do not count."""
    return sum(size for path in paths for size in sizes(path))


def sizes(path: Path) -> Iterator[int]:
    """Bytes of each file below a path."""
    files = [Path(top, name) for top, _, names in os.walk(path) for name in names] if is_folder(path) else [path]
    for file in files:
        try:
            facts = file.lstat()
        except OSError:
            continue
        if stat.S_ISREG(facts.st_mode):
            yield facts.st_size
