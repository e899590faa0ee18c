"""Which models a folder stands for: one, those of all folds and seeds (their mean), or an ensemble with weights."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune.errors import UserError
from finetune.models.checkpoint import ABOUT
from finetune.training.about import Known, read_json, read_known
from finetune.words import counted, listed, some

MEAN, ENSEMBLE = "mean.json", "ensemble.json"
FORMATS = {MEAN: "advsearch mean 1", ENSEMBLE: "advsearch ensemble 1"}
RUN = re.compile(r"fold-(\d+)(?:-seed-(\d+))?")
# Folders of an ensemble are plain names.
NAME = re.compile(r"[^/\\\0]{1,255}")
SHOWN = 4


@dataclass(frozen=True)
class Member:
    """One model of a mean.

    Args:
        folder: Where it is.
        known: What it knows.
        weight: Of its predictions; those of all members sum to 1.
    """

    folder: Path
    known: Known
    weight: float = 1.0


@dataclass(frozen=True)
class Members:
    """The models that are asked together.

    Args:
        models: Each with its weight.
        chosen: What was settled for their mean, if that is known; of one model its own.
    """

    models: tuple[Member, ...]
    chosen: tuple[float, ...] | None = None

    @property
    def first(self) -> Known:
        """What all of them know alike: kind, form and names."""
        return self.models[0].known


def members_of(folder: Path) -> Members:
    """The models of a folder; no weights are read.

    Raises:
        UserError: It holds no model of this program, or one that is not whole.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name a saved model, a folder of folds, or an ensemble")
    if (folder / ABOUT).is_file():
        known = read_known(folder)
        return Members((Member(folder, known),), known.settled)
    if (folder / ENSEMBLE).is_file():
        return _ensemble(folder)
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and RUN.fullmatch(path.name))
    if not runs:
        inside = sorted(path.parent.name for path in folder.glob(f"*/{ABOUT}"))
        if inside:
            raise UserError(f"{folder} holds models under other names: name them one by one ({some(inside, SHOWN)})")
        read_known(folder)  # says what is missing
    unfinished = [path.name for path in runs if not (path / ABOUT).is_file()]
    if unfinished:
        what = f"{some(unfinished, SHOWN)} {'has' if len(unfinished) == 1 else 'have'} no {ABOUT}"
        raise UserError(f"{folder}: {what}: not finished; run the same train command again, or name the finished folders")
    models = tuple(Member(path, read_known(path), 1 / len(runs)) for path in runs)
    _refuse_absent(folder, [one.known for one in models])
    found = _read(folder, MEAN).get("chosen") if (folder / MEAN).is_file() else None
    return _alike(Members(models, _numbers(found, folder / MEAN)))


def together(folders: Sequence[Path]) -> Members:
    """The models of several folders; each folder counts equally.

    Raises:
        UserError: A folder holds no model, is named twice, or models predict different things.
    """
    real = [folder.resolve() for folder in folders]
    if twice := [str(folder) for place, folder in enumerate(folders) if real[place] in real[:place]]:
        raise UserError(f"{twice[0]} is named twice; name it once")
    found = [members_of(folder) for folder in folders]
    if len(found) == 1:
        return found[0]
    models = [replace(one, weight=one.weight / len(found)) for each in found for one in each.models]
    return _alike(Members(tuple(models)))


def _ensemble(folder: Path) -> Members:
    facts, path = _read(folder, ENSEMBLE), folder / ENSEMBLE
    asked = facts.get("members")
    if not isinstance(asked, list) or not asked or not all(isinstance(one, dict) for one in asked):
        raise UserError(f"{path}: members is not a list of models")
    models = list[Member]()
    for one in asked:
        name, weight = one.get("folder"), one.get("weight")
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in (".", ".."):
            raise UserError(f"{path}: {str(name)[:60]!r} is not the name of a folder beside it")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise UserError(f"{path}: the weight of {name} is {str(weight)[:40]}, not a number above 0")
        if (folder / name / ENSEMBLE).is_file() and not (folder / name / ABOUT).is_file():
            raise UserError(f"{path}: {name} is an ensemble itself; ensembles hold models")
        inside = members_of(folder / name)
        models += [replace(member, weight=member.weight * weight) for member in inside.models]
    total = sum(member.weight for member in models)
    models = [replace(member, weight=member.weight / total) for member in models]
    return _alike(Members(tuple(models), _numbers(facts.get("chosen"), path)))


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    found = read_json(path)
    if not isinstance(found, dict) or found.get("format") != FORMATS[name]:
        there = found.get("format") if isinstance(found, dict) else found
        raise UserError(f"{path}: its format is {str(there)[:40]!r}, this version reads {FORMATS[name]!r}")
    return found


def _numbers(found: Any, path: Path) -> tuple[float, ...] | None:
    if found is None:
        return None
    good = isinstance(found, list) and all(isinstance(one, int | float) and math.isfinite(one) for one in found)
    if not good:
        raise UserError(f"{path}: chosen is not a list of numbers")
    return tuple(map(float, found))


def _refuse_absent(folder: Path, known: Sequence[Known]) -> None:
    """Refuse a folder where a fold or a seed is missing: its mean would be another one."""
    folds, seeds = known[0].folds, max(one.seeds or 1 for one in known)  # those of an earlier call knew of fewer seeds
    if folds is None:
        return
    there = {(one.fold, one.seed or 0) for one in known}
    absent = [
        f"fold-{fold}" + (f"-seed-{seed}" if seed else "")
        for fold in range(folds)
        for seed in range(seeds)
        if (fold, seed) not in there
    ]
    if absent:
        what = f"{some(absent, SHOWN)} of {counted(folds * seeds, 'run')} {'is' if len(absent) == 1 else 'are'} missing"
        raise UserError(f"{folder}: {what}; run the same train command again, or name the folders that count")


def _alike(members: Members) -> Members:
    """The same, if all models predict the same things from the same number of texts.

    Raises:
        UserError: They do not; the message names the difference.
    """
    first = members.models[0]
    for other in members.models[1:]:
        one, two = first.known, other.known
        here = f"{first.folder} and {other.folder} cannot be averaged"
        if (one.kind, one.form) != (two.kind, two.form):
            kinds = (f"{known.kind} {known.form}".strip() for known in (one, two))
            raise UserError(f"{here}: {' and '.join(kinds)} are different kinds of task")
        if one.pairs != two.pairs:
            raise UserError(f"{here}: one reads single texts, the other pairs")
        ordered = one.kind == "ordinal"
        if one.names != two.names and (ordered or sorted(one.names) != sorted(two.names)):
            raise UserError(f"{here}: {_difference(one.names, two.names)}")
    if members.chosen is not None and len(members.chosen) != len(first.known.names):
        raise UserError(f"{first.folder}: {len(members.chosen)} thresholds for {len(first.known.names)} labels")
    return members


def _difference(one: tuple[str, ...], two: tuple[str, ...]) -> str:
    only = [[repr(name) for name in names if name not in other] for names, other in ((one, two), (two, one))]
    if not any(only):
        return "their classes are in another order"
    parts = [
        f"only the {who} has {some(names, SHOWN)}" for who, names in zip(("first", "second"), only, strict=True) if names
    ]
    return listed(parts)
