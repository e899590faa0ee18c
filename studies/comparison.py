"""Studies side by side, for use in Python."""

from collections.abc import Sequence
from pathlib import Path

import optuna
import pandas as pd
from optuna.storages import RDBStorage

from finetune.errors import UserError, near
from finetune.words import choices
from studies.planning.identity import known_identity
from studies.report.compared import compared_fragment, frame, write_compared
from studies.results.compare import SideBySide, apart, side_by_side
from studies.results.summary import summarise
from studies.running.folder import folder_of, safe_name
from studies.running.storage import (
    LINK,
    close_storage,
    close_with,
    existing_storage,
    holds_none,
    public,
    searched_names,
    storage_errors,
)
from studies.running.whole import write_whole

AT_LEAST = "a comparison takes at least two studies"


class Comparison:
    """Studies of one task side by side: best value, confirmed gain, cost.

    Args:
        found: The contents of the table.
        out: The folder for results.
    """

    def __init__(self, found: SideBySide, out: str) -> None:
        self.found, self.out = found, out

    @property
    def studies(self) -> list[str]:
        """Names of the studies, the best trial first."""
        return [entry.name for entry in self.found.entries]

    @property
    def left_out(self) -> list[str]:
        """A sentence for each study that was left out."""
        return self.found.left_out

    @property
    def name(self) -> str:
        """The name of the page."""
        about = self.found.first.about
        kept = about["data"]
        task = kept.get("task") or kept.get("data") or kept.get("train_file") or kept.get("loop") or "studies"
        return f"{safe_name(Path(str(task)).stem)}-compared"

    def to_frame(self) -> pd.DataFrame:
        """A row for each study, the best trial first: best, clean and confirmed values, cost."""
        return frame(self.found)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page, one HTML file that needs no network, and the table as CSV beside it.

        Args:
            path: The HTML file; by default in the folder for results.

        Raises:
            OSError: A file cannot be written.
        """
        page = Path(path) if path else Path(self.out).expanduser() / f"{self.name}.html"
        folders = {name: folder_of(self.out, name) for name in self.studies}
        write_compared(self.found, self.name, folders, page)
        write_whole(page.with_suffix(".csv"), self.to_frame().to_csv())
        return page

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.studies)}>"

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        return compared_fragment(self.found)


def read_comparison(storage: str, names: Sequence[str], out: str) -> Comparison:
    """Compare studies of a database.

    Args:
        storage: Its URL.
        names: Their names; empty for all studies of one task.
        out: The folder for results.

    Raises:
        UserError: There is no such study, or the studies cannot be compared.
    """
    opened = existing_storage(storage)
    try:
        with storage_errors(storage):
            chosen, left_out = named(opened, storage, names) if names else largest(opened, storage)
            found = side_by_side([summarise(study) for study in chosen], left_out)
    except BaseException:
        close_storage(opened)
        raise
    close_with(chosen[0], opened)
    return Comparison(found, out)


def named(opened: RDBStorage, storage: str, names: Sequence[str]) -> tuple[list[optuna.Study], list[str]]:
    """Studies of these names, all of which must compare with the first; and no sentences.

    Raises:
        UserError: There is no such study, or it does not compare.
    """
    there = optuna.get_all_study_names(opened)
    if not there:
        raise UserError(holds_none(storage))
    known = searched_names(opened)
    for at, name in enumerate(names):
        if name not in there:
            raise UserError(f"there is no study {name!r} in {public(storage)}{near(name, known)}")
        if name in names[:at]:
            raise UserError(f"study {name!r} is named twice; name each study once")
    found = [optuna.load_study(study_name=name, storage=opened) for name in names]
    for study in found:
        if why := unfit(study):
            raise UserError(why)
    for study in found[1:]:
        if sentence := why_not(found[0], study):
            raise UserError(f"{sentence} Studies compare if data, metric, model, recipe and seed are equal")
    if len(found) < 2:
        raise UserError(f"{AT_LEAST}: name another one of {choices(known)}, or none for all of one task")
    return found, []


def largest(opened: RDBStorage, storage: str) -> tuple[list[optuna.Study], list[str]]:
    """The largest group of studies that compare with each other, and a sentence for each other study.

    Raises:
        UserError: There are no two such studies.
    """
    names = sorted(optuna.get_all_study_names(opened))
    if not names:
        raise UserError(holds_none(storage))
    found = [optuna.load_study(study_name=name, storage=opened) for name in names]
    reasons = {study.study_name: why for study in found if not is_stage(study) and (why := unfit(study))}
    fit = [study for study in found if not is_stage(study) and study.study_name not in reasons]
    groups = [[other for other in fit if not why_not(study, other)] for study in fit]
    chosen = max(groups, key=len, default=[])
    apart_from = [why_not(chosen[0], study) for study in fit if study not in chosen]
    left_out = [f"Left out: {why}" for why in [*(f"{why}." for why in reasons.values()), *apart_from]]
    if len(chosen) < 2:
        raise UserError(" ".join([f"{AT_LEAST}; search another method on the same data first.", *left_out[:2]]))
    return chosen, left_out


def is_stage(study: optuna.Study) -> bool:
    """Whether it holds the runs of another study's confirmation: an attribute links it to that study."""
    return LINK in study.user_attrs


def unfit(study: optuna.Study) -> str | None:
    """Why a study cannot be compared with any other; None if it can."""
    name = study.study_name
    if is_stage(study):
        return f"study {name!r} holds the runs of a confirmation: name its search instead"
    if known_identity(study) is None:
        return f"study {name!r} was not made by this program"
    try:
        summarise(study)
    except UserError as error:
        return getattr(error, "text", str(error))
    return None


def why_not(first: optuna.Study, other: optuna.Study) -> str:
    """A sentence with what forbids a comparison; empty if nothing does."""
    here, there = known_identity(first), known_identity(other)
    phrases = apart(here, there) if here and there else []
    if not phrases:
        return ""
    more = f" (and {len(phrases) - 3} more)" if len(phrases) > 3 else ""
    return f"{other.study_name} cannot be compared with {first.study_name}: {'; '.join(phrases[:3])}{more}."
