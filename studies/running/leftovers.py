"""What a search leaves on disk besides its results, reported when it ends or stops; and half-written files after a kill."""

import shlex
import shutil
import time
from contextlib import suppress
from pathlib import Path

import optuna

from finetune.arguments import arg
from finetune.words import counted, listed
from studies.planning.identity import ACCEPTED, known_identity
from studies.planning.request import STORAGE
from studies.planning.words import size
from studies.running.footprint import MODELS, TORN, bytes_of, clean_files, is_folder, models, named, own_files, snapshots
from studies.running.prefix import SHARED, prefix_keys
from studies.running.storage import public

# A file that has not changed for this many seconds is not being written: a killed process left it.
STALE = 600.0


def clear_torn(folder: Path) -> None:
    """Delete files, and models, whose process was killed while writing them."""
    for path in [*named(folder, TORN), *(named(folder / MODELS, TORN) if is_folder(folder) else [])]:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime <= STALE:
                continue
            if path.is_file():
                path.unlink()
            elif path.parent.name == MODELS:
                shutil.rmtree(path)


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
    way = "delete the folder to free it"
    if study is not None:
        all_, one = (command(what, study, folder, storage) for what in ("studies delete", "clean --all"))
        way = f"{one} frees it, {all_} also what was found"
    return [f"left on disk: {listed(parts)}; the same search goes on from there, {way}"]


def command(what: str, study: str, folder: Path, storage: str) -> str:
    """A command about a study and its files."""
    place = "" if storage == STORAGE else f" {arg('storage', public(storage))}"
    out = "" if str(folder.parent) == "runs" else f" {arg('out', str(folder.parent))}"
    return f"`search.py {what} {shlex.quote(study)}{place}{out}`"


def disk_line(study: optuna.Study, folder: Path, storage: str) -> str:
    """A line about what a finished search uses on disk, and how to free what nothing needs.

    Args:
        study: The study.
        folder: Folder of its files.
        storage: URL of its database.
    """
    kept = [path for path in models(folder) if path.name.removeprefix("trial-").isdecimal()]
    more = f" ({size(bytes_of(*kept))} in models of {counted(len(kept), 'trial')})" if kept else ""
    parts = [f"{size(bytes_of(*own_files(folder)))} in {folder}{more}"]
    keys = sorted(prefix_keys(known_identity(study) or {}, study.user_attrs.get(ACCEPTED, [])))
    places = [place for key in keys if is_folder(place := folder.parent / SHARED / key)]
    if shared := bytes_of(*(file for place in places for file in clean_files(place))):
        parts.append(f"{size(shared)} of clean epochs for other searches like this one in {listed(list(map(str, places)))}")
    way = command("clean", study.study_name, folder, storage)
    return f"disk: {listed(parts)}; {way} frees what nothing needs any more"
