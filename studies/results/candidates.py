"""The trials of one or several studies whose out-of-fold predictions are kept: what an ensemble may be made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.own_metric import SOURCE
from finetune.tasks.task import Task
from finetune.training.oof import Oof
from finetune.words import listed
from studies.planning.identity import folds_of
from studies.results.summary import Summary, summarise
from studies.running.best_oof import oof_file
from studies.running.folder import folder_of
from studies.running.footprint import OOF, named
from studies.running.standing import standing

FOLDED = f"search with {arg('folds', 5)}"


@dataclass(frozen=True)
class Candidate:
    """One trial with its out-of-fold predictions.

    Args:
        summary: Its study.
        number: Its number.
        oof: Its predictions.
        folder: The folder of its study's files.
    """

    summary: Summary
    number: int
    oof: Oof
    folder: Path

    @property
    def study(self) -> str:
        """The name of its study."""
        return self.summary.study.study_name

    @property
    def name(self) -> str:
        """A name for the folder of its models, that no other trial has."""
        return f"{self.folder.name}-trial-{self.number}"


def summaries_of(studies: Sequence[optuna.Study]) -> list[Summary]:
    """The studies, each searched with folds by the built-in loop, on the same rows and folds, by the same metric.

    Raises:
        UserError: One is not, or differs from the first; the message says in what.
    """
    found = [summarise(study) for study in studies]
    for one in found:
        name = one.study.study_name
        if "loop" in one.about["data"]:
            raise UserError(f"study {name!r} was searched with your own loop, whose predictions are not known here")
        if not folds_of(one.about).folded:
            why = "an ensemble is selected by them"
            raise UserError(f"study {name!r} has no out-of-fold predictions, and {why}: {FOLDED}")
    for other in found[1:]:
        if what := unlike(found[0].about, other.about):
            names = f"studies {found[0].study.study_name!r} and {other.study.study_name!r}"
            raise UserError(f"{names} cannot be combined: {'; '.join(what)}")
    return found


def unlike(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """In what two studies differ that must be equal for their predictions to be averaged and compared."""
    if one["metric"] != other["metric"]:
        return [f"one searched {one['metric']}, the other {other['metric']}"]
    if one.get(SOURCE) != other.get(SOURCE):
        return [f"the file of {one['metric']} was another one"]
    if one["data fingerprint"] == other["data fingerprint"]:
        return []
    folds = [folds_of(about).model_dump(exclude={"seeds", "fold_score"}) for about in (one, other)]
    pairs = [(one["data"], other["data"]), (folds[0], folds[1])]
    found = [
        f"{arg(name, mine.get(name))} and {arg(name, theirs.get(name))}"
        for mine, theirs in pairs
        for name in dict.fromkeys([*mine, *theirs])
        if mine.get(name) != theirs.get(name)
    ]
    return found or ["the rows, folds or class names in their files are not the same"]


def candidates_of(summaries: Sequence[Summary], task: Task, out: str) -> tuple[list[Candidate], list[str]]:
    """The complete trials whose out-of-fold predictions are kept, the best of each study first.

    Args:
        summaries: Their studies.
        task: The rows and folds that all of them have.
        out: The folder for results of their searches.

    Returns:
        The trials, and lines about files that cannot be used.

    Raises:
        UserError: A study has no such file, or there is one trial alone.
    """
    found, lines = list[Candidate](), list[str]()
    for summary in summaries:
        name = summary.study.study_name
        folder, before = folder_of(out, name), len(found)
        for number in standing(summary.study):
            if not (path := oof_file(folder, number)).is_file():
                continue
            try:
                oof = Oof.load(path)
            except UserError as error:
                lines.append(f"left out: trial {number} of study {name} ({error.text})")
                continue
            if oof.fingerprint != task.fingerprint or oof.rows != len(task.validation):
                lines.append(f"left out: trial {number} of study {name} ({path} is about other rows or folds)")
                continue
            found.append(Candidate(summary, number, oof, folder))
        if len(found) == before:
            raise UserError("; ".join([nothing_in(name, folder), *lines]))
    if len(found) == 1:
        only = f"trial {found[0].number} of study {found[0].study}"
        raise UserError(f"only {only} has out-of-fold predictions, and an ensemble takes two: search more trials")
    return found, lines


def nothing_in(name: str, folder: Path) -> str:
    """Why a study has no out-of-fold predictions."""
    if not folder.is_dir():
        return f"study {name!r} has no folder {folder}: where are its files? {arg('runs')} says it"
    if named(folder, OOF):
        return f"study {name!r}: none of its out-of-fold predictions in {folder} can be used"
    kinds = listed([f"`search.py clean` with {arg('everything', True)}", "by hand"], "or")
    return f"study {name!r} has no out-of-fold predictions in {folder}: they were deleted ({kinds}); search again"
