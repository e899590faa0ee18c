"""What studies could do without on disk: what nothing needs any more, and what the next search or a person may want."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from studies.planning.identity import known_identity
from studies.running.claims import FINISHED, Claims
from studies.running.folder import folder_of
from studies.running.footprint import FIGURES, MODELS, OOF, TORN, bytes_of, clean_files, is_folder, models, named, snapshots
from studies.running.leftovers import STALE
from studies.running.prefix import shared_folder
from studies.running.presence import users
from studies.running.removal import keys_of
from studies.running.stages import STAGES, stage_name
from studies.running.standing import BEST_OOF, TOP, standing
from studies.running.storage import stage_of

# What is left of a trial, by the name of its file or folder: whose it is, and its number.
LEFT = re.compile(r"(trial|race|verdict|parts|against_[a-z]+)-(\d+)\b.*")
NUMBER = re.compile(r"\D*(\d+)")
UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True)
class Spare:
    """A file or folder that could go.

    Args:
        study: Whose it is.
        path: Where it is.
        what: What it is, in words: entries of one study with equal words are shown as one.
        needed: What it is good for; empty if nothing needs it any more.
        size: Its bytes.
    """

    study: str
    path: Path
    what: str
    needed: str
    size: int


@dataclass(frozen=True)
class Spares:
    """What studies could do without.

    Args:
        found: Files and folders.
        lines: Sentences about studies that nothing is taken from, and why.
    """

    found: list[Spare]
    lines: list[str]


def spares_of(studies: list[optuna.Study], everyone: list[optuna.Study], storage: RDBStorage, out: str) -> Spares:
    """What these studies could do without. Nothing of a study that a process works on is part of it.

    Args:
        studies: Searched studies of this program.
        everyone: All studies of the database.
        storage: The database.
        out: The folder for results of their searches.
    """
    found, lines = list[Spare](), list[str]()
    for study in studies:
        folder, parts = folder_of(out, study.study_name), stages(study, storage)
        busy = [line for one in (study, *parts) for line in at_work(one, storage)] or users(folder)
        if busy:
            lines.append(f"study {study.study_name} is at work ({busy[0]}): nothing of it is touched")
            continue
        for one in (study, *(part for part in parts if known_identity(part) is not None)):
            found += of_study(one, folder_of(out, one.study_name), storage)
    shared, more = of_all(studies, everyone, storage, out)
    return Spares([spare for spare in [*found, *shared] if spare.size or spare.path.exists()], lines + more)


def stages(study: optuna.Study, storage: RDBStorage) -> list[optuna.Study]:
    """The stages of a study's confirmation, and their own stages."""
    names = [stage_name(study.study_name, kind) for kind in STAGES]
    found = [
        optuna.load_study(study_name=name, storage=storage) for name in names if stage_of(storage, name) == study.study_name
    ]
    return found + [deeper for one in found for deeper in stages(one, storage)]


def at_work(study: optuna.Study, storage: RDBStorage) -> list[str]:
    """Which processes work on which trials of a study; trials of processes that have ended are put back."""
    claims = Claims(study, storage, lambda line: None)
    with claims.leases.alone() as session:
        return [f"trial {number}: {who}" for number, who in claims.busy(session)]


def of_study(study: optuna.Study, folder: Path, storage: RDBStorage) -> Iterator[Spare]:
    """What one study could do without in its own folder."""
    name, best = study.study_name, standing(study)

    def spare(path: Path, what: str, needed: str = "") -> Spare:
        return Spare(name, path, what, needed, bytes_of(path))

    for path in snapshots(folder):
        yield spare(path, *state_of(path.name, study, storage))
    for path in named(folder, OOF):
        if (number := number_in(path)) in best[:BEST_OOF]:
            yield spare(path, "out-of-fold predictions of the best trials", "ensembles are made of them")
        else:
            yield spare(path, "out-of-fold predictions of trials that are not among the best")
    for path in models(folder):
        if TORN.fullmatch(path.name):
            continue
        number = number_in(path)
        if path.name.endswith("-unfinished"):
            unfinished = is_unfinished(study, number)
            yield spare(path, *(LATER if unfinished else OVER))
        elif number in best[:TOP]:
            yield spare(path, "kept models", "you asked the search to keep them")
        else:
            yield spare(path, "models of trials that are not among the best")
    for place in (folder, folder / FIGURES, folder / MODELS):
        yield from (spare(path, "files that were being written when a process was killed") for path in torn(place))


LATER = ("states of unfinished trials", "the search goes on from them; without them it trains these trials again")
OVER = ("states of trials that are finished", "")


def state_of(name: str, study: optuna.Study, storage: RDBStorage) -> tuple[str, str]:
    """What a state in a study's folder is, and what it is good for."""
    left = LEFT.fullmatch(name)
    if left is None:  # clean epochs by seed, for the runs of a confirmation; a folder of clean training
        going = name != "clean" and any(is_unfinished(part) for part in stages(study, storage))
        return LATER if going else ("clean epochs of a confirmation", "") if name != "clean" else OVER
    owner, number = study, int(left[2])
    if left[1] != "trial":
        found = [part for part in stages(study, storage) if part.study_name == stage_name(study.study_name, left[1])]
        if not found:
            return OVER
        owner = found[0]
    states = {trial.number: trial.state for trial in owner.get_trials(deepcopy=False)}
    if number not in states:
        return ("states of trials that this database does not have", "a study of another database may go on from them")
    return OVER if states[number] in FINISHED else LATER


def is_unfinished(study: optuna.Study, number: int | None = None) -> bool:
    """Whether a trial, or any trial, is waiting or running."""
    trials = study.get_trials(deepcopy=False, states=UNFINISHED)
    return any(number in (None, trial.number) for trial in trials)


def number_in(path: Path) -> int:
    """The number in a file's name."""
    found = NUMBER.match(path.name)
    assert found is not None
    return int(found[1])


def torn(folder: Path) -> Iterable[Path]:
    """Files and folders that no process is writing any more."""
    for path in named(folder, TORN) if is_folder(folder) else []:
        try:
            old = time.time() - path.stat().st_mtime > STALE
        except OSError:
            continue
        if old:
            yield path


def of_all(
    studies: list[optuna.Study], everyone: list[optuna.Study], storage: RDBStorage, out: str
) -> tuple[list[Spare], list[str]]:
    """Clean epochs that studies share: nothing needs them once every study that may use them is finished."""
    found, lines, shared = list[Spare](), list[str](), shared_folder(out)
    keys = {study.study_name: keys_of(study) for study in everyone}
    for key in sorted({key for study in studies for key in keys[study.study_name]}):
        folder = shared / key
        if not is_folder(shared) or not is_folder(folder) or not clean_files(folder):
            continue
        mine = [study for study in everyone if key in keys[study.study_name]]
        busy = users(folder) or [line for study in mine for line in at_work(study, storage)]
        if busy:
            lines.append(f"{folder} is in use ({busy[0]}): nothing of it is touched")
            continue
        going = [study.study_name for study in mine if is_unfinished(study)]
        why = f"trials of study {going[0]} begin from them; without them they train them again" if going else ""
        what = "clean epochs that unfinished studies share" if going else "clean epochs that finished studies shared"
        owner = next(study.study_name for study in studies if key in keys[study.study_name])  # one that was asked for
        found += [Spare(owner, path, what, why, bytes_of(path)) for path in clean_files(folder)]
    return found, lines
