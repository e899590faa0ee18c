"""The trials of several studies of one search, in the order of the whole search, and the study that has them all."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyDirectionModel, StudyModel, StudyUserAttributeModel
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.orm import Session

from finetune.arguments import arg
from finetune.errors import UserError
from studies.planning.part import Part
from studies.planning.versions import changes
from studies.running.foreign import FIXED, enqueued
from studies.running.storage import public, storage_errors

# The user attribute of a trial that was merged: its study and number there.
MERGED = "merged from"


@dataclass(frozen=True)
class Piece:
    """A study that holds trials of the search.

    Args:
        where: Its database, as it is named in messages.
        study: The study.
        about: Its identity.
    """

    where: str
    study: optuna.Study
    about: dict[str, Any]

    @property
    def part(self) -> Part:
        """Which part of the search it has."""
        return Part.of_study(self.about)


@dataclass
class Joined:
    """All trials of a search.

    Attributes:
        trials: Copies, each at its number; a trial that is not finished waits there.
        counts: Finished trials of each piece.
        doubles: Trials that were there already.
        waiting: Numbers of trials that wait.
        moved: Trials whose number another trial has; they come last.
    """

    trials: list[FrozenTrial] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    doubles: int = 0
    waiting: list[int] = field(default_factory=list)
    moved: int = 0


def joined(pieces: Sequence[Piece]) -> Joined:
    """Put trials in the order of the whole search.

    A trial that the search drew has the number that it would have in one search; those that were enqueued come last, as they
    take no point of the design.
    """
    found, places, more = Joined(), dict[int, FrozenTrial](), list[FrozenTrial]()
    first = pieces[0].about
    for piece in pieces:
        shift = done = 0
        for trial in piece.study.get_trials(deepcopy=False):
            odd = bool(enqueued(trial))
            place, shift = piece.part.place(trial.number - shift), shift + odd
            if not trial.state.is_finished():
                continue
            done += 1
            mine = copied(trial, piece, first)
            rival = next((one for one in more if same(one, mine)), None) if odd else places.setdefault(place, mine)
            if rival is mine:
                continue
            if rival is not None and same(rival, mine):
                found.doubles += 1
            else:
                more.append(mine)
                found.moved += not odd
        found.counts.append(done)
    total = max(places, default=-1) + 1
    found.waiting = [number for number in range(total) if number not in places]
    waits = create_trial(state=TrialState.WAITING)
    found.trials = [*(places.get(number, waits) for number in range(total)), *more]
    return found


def same(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether two trials have the same settings."""
    return one.params == other.params and enqueued(one) == enqueued(other)


def copied(trial: FrozenTrial, piece: Piece, first: dict[str, Any]) -> FrozenTrial:
    """The trial with where it comes from, and under what it was made, where that is not what the whole study says."""
    attrs = dict(trial.user_attrs)
    if changes(first["versions"], piece.about["versions"]):
        attrs.setdefault("versions", piece.about["versions"])
    if piece.about.get("device") != first.get("device"):
        attrs.setdefault("device", piece.about["device"])
    made = copy.copy(trial)
    made.user_attrs = {MERGED: {"study": piece.study.study_name, "trial": trial.number}} | attrs
    made.system_attrs = {FIXED: enqueued(trial)} if enqueued(trial) else {}
    return made


def write(storage: RDBStorage, study: optuna.Study, name: str, attrs: dict[str, Any], trials: Sequence[FrozenTrial]) -> None:
    """Make a study with these trials, in one transaction: all of it or nothing.

    Args:
        storage: The database.
        study: A study with its directions.
        name: Its name.
        attrs: Its user attributes.
        trials: Its trials, in order.

    Raises:
        UserError: There is a study of that name, or the database cannot be written.
    """
    url = str(storage.url)
    with storage_errors(url), Session(storage.engine) as session, session.begin():
        if storage.engine.dialect.name == "sqlite":
            session.connection().exec_driver_sql("BEGIN IMMEDIATE")
        if session.scalar(sql.select(StudyModel.study_id).where(StudyModel.study_name == name)) is not None:
            raise there_already(url, name)
        directions = [StudyDirectionModel(direction=way, objective=n) for n, way in enumerate(study.directions)]
        made = StudyModel(study_name=name, directions=directions)
        session.add(made)
        try:
            session.flush()
        except sql.exc.IntegrityError:
            raise there_already(url, name) from None
        for key, value in attrs.items():
            row = {"study_id": made.study_id, "key": key, "value_json": json.dumps(value)}
            session.add(StudyUserAttributeModel(**row))
        for trial in trials:
            storage._get_prepared_new_trial(int(made.study_id), trial, session)


def there_already(url: str, name: str) -> UserError:
    """The error for a study that was merged before."""
    way = f"merge {arg('into')} another database, or delete it first (studies delete)"
    return UserError(f"{arg('into', public(url))} has a study {name!r} already: {way}")
