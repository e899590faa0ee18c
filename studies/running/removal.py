"""Delete a study and everything it left: rows, folder, snapshots, and shared clean epochs that no other study uses."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel

from finetune.errors import UserError, first_line, near
from finetune.words import counted, listed
from studies.planning.identity import ACCEPTED, known_identity
from studies.planning.words import size
from studies.running.artifacts import artifact_files, artifact_folder
from studies.running.claims import Claims
from studies.running.folder import folder_of
from studies.running.footprint import FIGURES, MODELS, bytes_of, clean_files, is_folder, own_files
from studies.running.prefix import complete, prefix_keys, shared_folder
from studies.running.stages import RESTING, STAGES, stage_name
from studies.running.storage import LINK, holds_none, public, stage_of


@dataclass(frozen=True)
class Removal:
    """What is deleted with a study.

    Args:
        study: The study.
        folder: Folder of its files.
        files: Its files in that folder.
        clean: Folders of shared clean epochs that no other study of the database uses.
        kept: Sentences about what stays, each with its reason.
        artifacts: Its files for the dashboard.
        stages: The stages of its confirmation, or what rests on it if it is a stage itself.
    """

    study: optuna.Study
    folder: Path
    files: list[Path]
    clean: list[Path]
    kept: list[str]
    artifacts: list[Path] = field(default_factory=list)
    stages: list[optuna.Study] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """What will be deleted, and what will not."""
        trials = counted(len(self.study.get_trials(deepcopy=False)), "trial")
        rows = [f"study {self.study.study_name} with {trials} in the database"]
        for stage in self.stages:
            runs = counted(len(stage.get_trials(deepcopy=False)), "run")
            rows.append(f"{stage.study_name}, a part of its confirmation, with {runs}")
        if self.files:
            folders = dict.fromkeys(str(folder_with(path)) for path in self.files)
            rows.append(f"{counted(len(self.files), 'file')} in {listed(list(folders))} ({size(bytes_of(*self.files))})")
        if self.artifacts:
            where = self.artifacts[0].parent
            rows.append(
                f"{counted(len(self.artifacts), 'file')} for the dashboard in {where} ({size(bytes_of(*self.artifacts))})"
            )
        rows += [f"clean epochs in {path} ({size(bytes_of(*clean_files(path)))})" for path in self.clean]
        return rows


def plan_removal(storage: RDBStorage, name: str, out: str) -> Removal:
    """Find out what would be deleted with a study.

    Args:
        storage: Its database.
        name: Its name.
        out: The folder for results of its search.

    Raises:
        UserError: There is no study of that name, or another program made it.
    """
    everyone = {other: optuna.load_study(study_name=other, storage=storage) for other in optuna.get_all_study_names(storage)}
    if name not in everyone:
        where = public(str(storage.url))
        raise UserError(
            f"there is no study {name!r} in {where}{near(name, everyone)}" if everyone else holds_none(str(storage.url))
        )
    study, of = everyone[name], stage_of(storage, name)
    parts, folder = parts_of(storage, study), folder_of(out, name)
    gone = [study, *parts]
    files = [file for one in gone for file in own_files(folder_of(out, one.study_name))]
    artifacts = [file for one in gone for file in artifact_files(one, storage, artifact_folder(out))]
    if of is not None:
        return Removal(study, folder, files, [], [], artifacts, parts)
    if known_identity(study) is None and (study.get_trials(deepcopy=False) or study.user_attrs):
        raise UserError(f"study {name!r} was not made by this program, which deletes only its own studies")
    kept = [f"{folder} stays: it is a link"] if folder.is_symlink() else []
    others = [other for other in everyone.values() if other.study_name not in [one.study_name for one in gone]]
    clean, doubts = unshared(study, others, shared_folder(out))
    return Removal(study, folder, files, clean, kept + doubts, artifacts, parts)


def parts_of(storage: RDBStorage, study: optuna.Study) -> list[optuna.Study]:
    """What goes with a study: the stages of its confirmation; with a stage, those that rest on it. Also their own stages."""
    name, of = study.study_name, stage_of(storage, study.study_name)
    found = [] if of is None else stages_of(storage, of, RESTING[study.user_attrs[LINK]["stage"]])
    found += stages_of(storage, name, STAGES)
    return found + [deeper for one in found for deeper in stages_of(storage, one.study_name, STAGES)]


def stages_of(storage: RDBStorage, name: str, kinds: Sequence[str]) -> list[optuna.Study]:
    """The stages of a study's confirmation that are there."""
    names = [stage for kind in kinds if stage_of(storage, stage := stage_name(name, kind)) == name]
    return [optuna.load_study(study_name=stage, storage=storage) for stage in names]


def unshared(study: optuna.Study, others: list[optuna.Study], shared: Path) -> tuple[list[Path], list[str]]:
    """Folders of clean epochs that only this study uses; sentences about the folders that stay."""
    mine, keys = known_identity(study) or {}, keys_of(study)
    folders = [shared / key for key in sorted(keys) if is_folder(shared) and is_folder(shared / key)]
    users: dict[Path, list[str]] = {path: [] for path in folders}
    for other in others:
        about = known_identity(other)
        theirs = keys_of(other)
        for path in folders:
            if path.name in theirs or (about and not theirs & keys and maybe(mine, about)):
                users[path].append(other.study_name)
    kept = [f"the clean epochs in {path} stay: {used(names)}" for path, names in users.items() if names]
    return [path for path, names in users.items() if not names], kept


def used(names: list[str]) -> str:
    """Who uses, or may use, clean epochs."""
    return f"study {names[0]} uses them" if len(names) == 1 else f"studies {listed(names[:5])} use them"


def maybe(mine: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a study of an older version may use the same clean epochs: its identity does not show it."""
    same = all(mine.get(key) == other.get(key) for key in ("data fingerprint", "model fingerprint"))
    return same and not complete(other)


def keys_of(study: optuna.Study) -> set[str]:
    """Keys of the clean epochs that a study may have used."""
    return prefix_keys(known_identity(study) or {}, study.user_attrs.get(ACCEPTED, []))


def remove(removal: Removal, storage: RDBStorage) -> list[str]:
    """Delete the study: the rows in one transaction, then the files.

    Returns:
        Sentences about what could not be deleted, and what is left in the study's folder.

    Raises:
        UserError: A process is running one of its trials; nothing is deleted.
    """
    parts = [Claims(study, storage, lambda line: None) for study in (removal.study, *removal.stages)]
    with parts[0].leases.alone() as session:
        working = [(claims.study.study_name, busy) for claims in parts if (busy := claims.busy(session))]
        if not working:  # so they have no leases either
            for claims in parts:
                session.delete(StudyModel.find_or_raise_by_id(claims.leases.id, session))
    if working:
        raise UserError(under_way(*working[0]))
    failures = [line for path in [*removal.files, *removal.artifacts] if (line := delete(path))]
    for folder in removal.clean:
        failures += [line for path in clean_files(folder) if (line := delete(path))]
    shared = {path.parent for path in [*removal.clean, *removal.artifacts]}
    own = dict.fromkeys([removal.folder, *map(folder_with, removal.files)])
    inside = [folder / name for folder in own for name in (FIGURES, MODELS)]
    for folder in (*inside, *own, *removal.clean, *shared):
        if is_folder(folder):
            with suppress(OSError):  # not empty: what is left is not ours
                folder.rmdir()
    return failures + left_in(removal)


def folder_with(path: Path) -> Path:
    """The folder of a study with this file."""
    return path.parent.parent if path.parent.name in (FIGURES, MODELS) else path.parent


def under_way(name: str, busy: list[tuple[int, str]]) -> str:
    """Why a study cannot be deleted now."""
    number, who = busy[0]
    more = f" (and {counted(len(busy) - 1, 'more trial')})" if len(busy) > 1 else ""
    return f"trial {number} of study {name!r} is running{more}: {who}; stop that search first"


def delete(path: Path) -> str | None:
    """Delete a file, or a folder with its contents; return a sentence if that fails."""
    try:
        if is_folder(path):
            shutil.rmtree(path)  # links in it are deleted, their targets stay
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        return f"{path} could not be deleted: {error.strerror or first_line(error)}"
    return None


def left_in(removal: Removal) -> list[str]:
    """A sentence about other files in the folder."""
    if not removal.files or not is_folder(removal.folder):
        return []
    names = sorted(path.name for path in removal.folder.iterdir())
    return [f"{removal.folder} stays: it contains {listed(names[:3])}" + (", ..." if len(names) > 3 else "")]
