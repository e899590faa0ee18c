"""What a search leaves on disk besides its results, reported when it ends or stops; and half-written files after a kill."""

import shlex
import time
from contextlib import suppress
from pathlib import Path

import optuna

from finetune.arguments import arg
from finetune.words import listed
from studies.planning.identity import ACCEPTED, known_identity
from studies.planning.request import STORAGE
from studies.planning.words import size
from studies.running.footprint import TORN, bytes_of, clean_files, is_folder, named, snapshots
from studies.running.prefix import SHARED, prefix_keys
from studies.running.storage import public

# A file that has not changed for this many seconds is not being written: a killed process left it.
STALE = 600.0


def clear_torn(folder: Path) -> None:
    """Delete files whose process was killed while writing them."""
    for path in named(folder, TORN):
        with suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def stopped_lines(folder: Path, prefix: Path | None, study: str | None, storage: str) -> list[str]:
    """What a stopped search left on disk, and how to free the space.

    Args:
        folder: Folder of the study's files.
        prefix: Folder of its shared clean epochs, if it has any.
        study: The study's name; None if the search was stopped before there was a study.
        storage: URL of its database.
    """
    kept = snapshots(folder)
    clean = [] if prefix is None else clean_files(prefix)
    parts = [f"{size(bytes_of(*kept))} in {folder} (where unfinished trials go on)"] if kept else []
    parts += [f"{size(bytes_of(*clean))} of clean epochs in {prefix}"] if clean else []
    if not parts:
        return []
    way = "delete the folder to free it" if study is None else f"{deletion(study, folder, storage)} frees it"
    return [f"left on disk: {listed(parts)}; the same search goes on from there, {way}"]


def deletion(study: str, folder: Path, storage: str) -> str:
    """The command that deletes a study."""
    place = "" if storage == STORAGE else f" {arg('storage', public(storage))}"
    out = "" if str(folder.parent) == "runs" else f" {arg('out', str(folder.parent))}"
    return f"`search.py studies delete {shlex.quote(study)}{place}{out}`"


def shared_line(study: optuna.Study, folder: Path, storage: str) -> str | None:
    """A line about the clean epochs that a finished search keeps for other searches; None if there are none.

    Args:
        study: The study.
        folder: Folder of its files.
        storage: URL of its database.
    """
    keys = sorted(prefix_keys(known_identity(study) or {}, study.user_attrs.get(ACCEPTED, [])))
    places = [folder.parent / SHARED / key for key in keys]
    places = [place for place in places if is_folder(place) and clean_files(place)]
    if not places:
        return None
    many = size(bytes_of(*(file for place in places for file in clean_files(place))))
    way = deletion(study.study_name, folder, storage)
    return f"clean epochs for other searches like this one: {many} in {listed(list(map(str, places)))}; {way} frees them"
