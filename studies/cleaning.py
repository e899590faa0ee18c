"""Free disk space: what studies could do without, and deleting it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import pandas as pd
from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.errors import UserError, near
from finetune.words import counted
from studies.planning.identity import known_identity
from studies.planning.words import size
from studies.running.claims import Claims
from studies.running.folder import folder_of
from studies.running.prefix import SHARED
from studies.running.presence import users
from studies.running.removal import delete
from studies.running.spare import Spare, spares_of, stages
from studies.running.storage import close_storage, existing_storage, holds_none, public, stage_of, storage_errors


@dataclass
class Cleaning:
    """What studies could do without on disk.

    Args:
        spares: Files and folders, each with what it is and what it is good for.
        everything: Whether what is still good for something may go too.
        lines: Sentences about what is left alone, and why.
        freed: Bytes that were freed.
    """

    spares: list[Spare]
    everything: bool
    lines: list[str] = field(default_factory=list)
    freed: int = 0

    @property
    def going(self) -> list[Spare]:
        """What goes."""
        return [spare for spare in self.spares if self.everything or not spare.needed]

    @property
    def bytes(self) -> int:
        """How much goes."""
        return sum(spare.size for spare in self.going)

    def to_frame(self) -> pd.DataFrame:
        """A row for each file or folder: study, path, what, needed, bytes, goes."""
        going = {spare.path for spare in self.going}
        rows = [(s.study, str(s.path), s.what, s.needed, s.size, s.path in going) for s in self.spares]
        return pd.DataFrame(rows, columns=["study", "path", "what", "needed", "bytes", "goes"])

    def told(self) -> list[str]:
        """A line for each study and kind of file, with what stays and why."""
        groups = dict[tuple[str, str, str], list[Spare]]()
        for spare in self.spares:
            groups.setdefault((spare.study, spare.what, spare.needed), []).append(spare)
        found = []
        for (study, what, needed), spares in groups.items():
            many = f"{counted(len(spares), 'file or folder', 'files or folders')}, {size(sum(s.size for s in spares))}"
            stays = "" if self.everything else f", stay without {arg('everything', True)}"
            found.append(f"{study}: {what} ({many}){f'{stays}: {needed}' if needed else ''}")
        return found + self.lines


def cleaned(storage: str, names: Sequence[str], out: str, everything: bool, yes: bool) -> Cleaning:
    """What studies could do without; with ``yes`` it is deleted.

    Args:
        storage: URL of the database.
        names: Names of studies; without names all of them.
        out: The folder for results of their searches.
        everything: Whether what is still good for something may go too.
        yes: Whether to delete it.

    Raises:
        UserError: There is no such study, or another program made it.
    """
    base = existing_storage(storage)
    try:
        with storage_errors(storage):
            everyone = [optuna.load_study(study_name=name, storage=base) for name in optuna.get_all_study_names(base)]
            if not everyone:
                raise UserError(holds_none(storage))
            chosen = chosen_of(base, everyone, names)
            found = spares_of(chosen, everyone, base, out)
            result = Cleaning(found.found, everything, found.lines)
            if yes:
                free(result, everyone, base, out)
            return result
    finally:
        close_storage(base)


def chosen_of(storage: RDBStorage, everyone: list[optuna.Study], names: Sequence[str]) -> list[optuna.Study]:
    """The searched studies of this program with these names, or all of them.

    Raises:
        UserError: There is no study of a name, or it is not a searched one of this program.
    """
    known = {study.study_name: study for study in everyone}
    for name in names:
        if name not in known:
            raise UserError(f"there is no study {name!r} in {public(str(storage.url))}{near(name, known)}")
        if (of := stage_of(storage, name)) is not None:
            raise UserError(f"study {name!r} is a part of the confirmation of {of!r}: clean that study")
        if known_identity(known[name]) is None:
            raise UserError(f"study {name!r} was not made by this program, which cleans only its own studies")
    own = [study for study in everyone if known_identity(study) is not None and stage_of(storage, study.study_name) is None]
    return [known[name] for name in dict.fromkeys(names)] or own


def free(result: Cleaning, everyone: list[optuna.Study], storage: RDBStorage, out: str) -> None:
    """Delete what goes, study by study, while no process can begin a trial of it."""
    named = {study.study_name: study for study in everyone}
    for name in dict.fromkeys(spare.study for spare in result.going):
        study, spares = named[name], [spare for spare in result.going if spare.study == name]
        claims = [Claims(one, storage, lambda line: None) for one in (study, *stages(study, storage))]
        with claims[0].leases.alone() as session:
            busy = [who for one in claims for _, who in one.busy(session)] or users(folder_of(out, name))
            for folder in dict.fromkeys(spare.path.parent for spare in spares):
                if who := busy or users(folder):
                    result.lines.append(f"{folder} is in use now ({who[0]}): nothing of it was touched")
                    continue
                for spare in spares:
                    if spare.path.parent == folder:
                        take(spare, result)
                tidy(folder)


def take(spare: Spare, result: Cleaning) -> None:
    """Delete one file or folder."""
    if line := delete(spare.path):
        result.lines.append(line)
    else:
        result.freed += spare.size


def tidy(folder: Path) -> None:
    """Remove a folder of models, figures or clean epochs that is empty now."""
    places = [folder, folder.parent] if folder.parent.name == SHARED else [folder]
    with suppress(OSError):  # not empty: what is left is not ours, or is needed
        for place in places:
            place.rmdir()
