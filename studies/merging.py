"""Merge the parts of a search, each in a database of its own, into one study."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.errors import UserError, near
from finetune.words import choices, counted, listed, some
from studies.planning.calibrated import CALIBRATED
from studies.planning.identity import BASELINE, KEY, PLAIN, completed, differences, known_identity, readable, some_of
from studies.planning.part import KEY as PART
from studies.planning.part import Part
from studies.planning.request import STORAGE
from studies.planning.versions import changes, told, weighty
from studies.report.screen import Screen
from studies.report.shown import KEY as SHOWN
from studies.result import Result, read_result
from studies.running.folder import open_with_folder
from studies.running.foreign import taken
from studies.running.joined import Joined, Piece, joined, write
from studies.running.storage import (
    ELSEWHERE,
    close_storage,
    database_file,
    existing_storage,
    is_sqlite,
    public,
    searched_names,
    storage_errors,
)

# Parts of an identity that may differ between the parts of a search.
APART = {"versions", "device", "source", "metric file"}


def merge(
    *sources: str | Path,
    into: str | Path = STORAGE,
    study: str | None = None,
    out: str = "runs",
    accept_versions: bool = False,
    progress: bool = True,
) -> Result:
    """Merge the parts of a search into one study: every trial gets the number that it has in one search.

    Trials that are there twice count once. A trial that is not finished, or whose part is missing, waits: a search of the
    merged study trains it. The parts stay as they are.

    Args:
        *sources: Databases: files, or Optuna storage URLs.
        into: The database for the merged study: a file, or a URL. It is made if it is not there.
        study: Name of the (whole) study, needed if the databases have several.
        out: Folder for results.
        accept_versions: Whether parts that were made under other versions are merged.
        progress: Whether to print what was merged.

    Returns:
        The merged study's result.

    Raises:
        UserError: A database is not there, the studies are about something else, or the merged study is there already.
    """
    return merged(sources, into, study, out, accept_versions, Screen.of(progress))


def merged(
    sources: Sequence[str | Path], into: str | Path, study: str | None, out: str, accept: bool, screen: Screen
) -> Result:
    """The work that ``merge`` and the command share."""
    if not sources:
        raise UserError("name the databases to merge: files such as part-1.db, or URLs")
    urls, target = unique([url_of(source) for source in sources]), url_of(into)
    again = f"{counted(len(sources) - len(urls), 'database')} named again: each is read once"
    with about_into():
        file = database_file(target)
    beside = file is not None and file.resolve() in {known.resolve() for url in urls if (known := database_file(url))}
    with ExitStack() as stack:
        pieces = pieces_in(urls, study, stack)
        lines = compared(pieces, accept)
        name = whole_name(pieces[0])
        found = joined(pieces)
        if not any(found.counts):
            raise UserError(f"study {name!r} has no finished trial in {listed([piece.where for piece in pieces])}")
        with about_into():
            storage = open_with_folder(target, out, name)
        stack.callback(close_storage, storage)
        write(storage, pieces[0].study, name, attributes(pieces[0]), found.trials)
    told = [*([again] if len(urls) < len(sources) else []), *([beside_told(target)] if beside else [])]
    for line in [*lines, *told, *told_of(found, pieces, name, public(target))]:
        screen.say(line)
    return read_result(target, name, out)


def url_of(source: str | Path) -> str:
    """The URL of a database that is named by its file or by its URL."""
    text = str(source)
    if "://" in text:
        return text
    return sqlalchemy.URL.create("sqlite", database=str(Path(text).expanduser())).render_as_string()


@contextmanager
def about_into() -> Iterator[None]:
    """Have errors of the database of the merged study name the argument that it was given by."""
    try:
        yield
    except UserError as error:
        raise UserError(error.text.replace('["storage"', '["into"')) from None


@contextmanager
def about_source(url: str) -> Iterator[None]:
    """Have errors of a database that is merged name it as the user did."""
    try:
        yield
    except UserError as error:
        text = error.text.replace(arg("storage", public(url)), where(url))
        raise UserError(text.replace(ELSEWHERE, "leave it out")) from None


def beside_told(url: str) -> str:
    """A line about a merged study that is written into one of the databases that are merged."""
    return f"{where(url)} is one of the databases that are merged: their studies stay as they are, beside the merged one"


def unique(urls: Sequence[str]) -> list[str]:
    """Each database once, under the name that comes first.

    Raises:
        UserError: A file is not there.
    """
    found = dict[str | Path, str]()
    for url in urls:
        try:
            file = database_file(url)
        except UserError as error:
            raise UserError(error.text.replace(f"{arg('storage', url)}: ", "").replace(arg("storage"), "database")) from None
        if file is not None and not file.exists():
            raise UserError(f"{file}: there is no such database")
        if file is not None and not is_sqlite(file):
            raise UserError(f"no study of a search is in {file}: it is not a database")
        found.setdefault(url if file is None else file.resolve(), url)
    return list(found.values())


def pieces_in(urls: Sequence[str], study: str | None, stack: ExitStack) -> list[Piece]:
    """The studies of one search in these databases, in the order of their parts.

    Raises:
        UserError: A database cannot be used, there is no such study, or a name is needed.
    """
    found = list[Piece]()
    for url in urls:
        with about_source(url), storage_errors(url):
            storage: RDBStorage = existing_storage(url)
            stack.callback(close_storage, storage)
            for name in searched_names(storage):
                one = optuna.load_study(study_name=name, storage=storage)
                about = known_identity(one)
                if about is not None:
                    found.append(Piece(where(url), one, about))
    names = sorted({whole_name(piece) for piece in found})
    places = listed([where(url) for url in urls])
    if not names:
        raise UserError(f"no study of a search is in {places}")
    if study is None and len(names) > 1:
        raise UserError(f"{arg('study')} is needed: {places} have {choices(names)}")
    chosen = [piece for piece in found if study in (None, whole_name(piece), piece.study.study_name)]
    if not chosen:
        raise UserError(f"there is no study {study!r} in {places}{near(str(study), names)}")
    return sorted(chosen, key=lambda piece: piece.part.number)


def where(url: str) -> str:
    """A database in messages: its file, or its URL without the password."""
    file = database_file(url)
    return public(url) if file is None else str(file)


def whole_name(piece: Piece) -> str:
    """The name of the whole study that a study is a part of."""
    return piece.part.name_of_whole(piece.study.study_name)


def compared(pieces: Sequence[Piece], accept: bool) -> list[str]:
    """Refuse to merge studies of different searches; lines about what may differ.

    Raises:
        UserError: Something else differs than the part.
    """
    first, lines = pieces[0], list[str]()
    of = {piece.part.of: piece for piece in pieces if not piece.part.whole}
    if len(of) > 1:
        one, other, *_ = of.values()
        raise UserError(f"{one.where} has part {one.part}, {other.where} part {other.part}: merge parts of one number")
    for piece in pieces:
        if any(taken(trial) for trial in piece.study.get_trials(deepcopy=False)):
            raise UserError(f"{piece.where}: its study took trials over from another, so it cannot be merged")
        apart = differences(plain(first.about), plain(piece.about))
        if apart:
            named = [each.study.study_name if piece.where == first.where else each.where for each in (first, piece)]
            raise UserError(f"{named[0]} (there) and {named[1]} (here) are not one search: {some_of(apart)}")
        changed = changes(first.about["versions"], piece.about["versions"])
        if any(weighty(*pair) for pair in changed.values()) and not accept:
            raise UserError(
                f"{piece.where} was made under other versions than {first.where}, so values may differ: {told(changed)}; "
                f"give {arg('accept_versions', True)} to merge them"
            )
        lines += [f"{piece.where}: {told(changed)}; its trials keep their versions"] if changed else []
        if ranges_of(first) != ranges_of(piece):
            lines.append(f"{piece.where} measured other ranges than {first.where}: the merged study keeps the first")
        here, there = clean_of(first), clean_of(piece)
        if here != there:
            why = "machines differ in the last digits; the merged study keeps the first"
            lines.append(f"clean training gave {here:.6g} in {first.where} and {there:.6g} in {piece.where}: {why}")
    return lines


def plain(about: dict[str, Any]) -> dict[str, Any]:
    """An identity as it is compared: without the part, versions and device."""
    known = {"formula": 1} | readable(PLAIN | completed(about))
    search = {name: value for name, value in known["search"].items() if name != PART}
    return {key: value for key, value in known.items() if key not in APART} | {"search": search}


def ranges_of(piece: Piece) -> Any:
    """The ranges that a study measured before it began."""
    return (piece.study.user_attrs.get(CALIBRATED) or {}).get("ranges")


def clean_of(piece: Piece) -> float:
    """The last value of clean training."""
    return float(piece.study.user_attrs[BASELINE][-1]["metrics"][piece.about["metric"]])


def attributes(piece: Piece) -> dict[str, Any]:
    """The attributes of the merged study: those of its first part, without what is written for the dashboard."""
    shown = piece.study._storage.get_study_system_attrs(piece.study._study_id).get(SHOWN, {}).get("facts", ())
    known = {key: value for key, value in piece.study.user_attrs.items() if key not in (*shown, "command", KEY)}
    about = dict(piece.study.user_attrs[KEY])
    about["search"] = {name: value for name, value in about["search"].items() if name != PART}
    return known | {KEY: about}


def told_of(found: Joined, pieces: Sequence[Piece], name: str, target: str) -> list[str]:
    """Lines about what was merged, and what was not."""
    finished = len(found.trials) - len(found.waiting)
    parts = {piece.part for piece in pieces if not piece.part.whole}
    sources = counted(len(pieces), "study", "studies")
    lines = [f"study {name} in {target}: {counted(finished, 'finished trial')} of {sources}"]
    if found.doubles:
        way = f"; with {arg('part', 'K/N')} every task searches trials of its own" if not parts else ""
        lines.append(f"left out: {counted(found.doubles, 'trial')} with the number and settings of another{way}")
    if found.moved:
        lines.append(f"{counted(found.moved, 'trial')} with the number of another, and other settings, got new numbers")
    if len(parts) == len({piece.part for piece in pieces}):
        of = pieces[-1].part.of
        missing = [str(part) for number in range(1, of + 1) if (part := Part(number, of)) not in parts]
        lines += [f"missing parts: {some(missing, 8)}"] if missing else []
    if found.waiting:
        what = f"{counted(len(found.waiting), 'trial')} not finished yet ({some(list(map(str, found.waiting)), 8)})"
        lines.append(f"{what}: a search of the merged study, without {arg('part')}, trains them")
    return lines
