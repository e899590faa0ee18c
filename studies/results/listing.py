"""The studies of a database, each with its trials, values and disk space."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from finetune.errors import UserError
from studies.planning.directions import SECOND
from studies.planning.identity import known_identity
from studies.results.summary import summarise
from studies.running.folder import folder_of
from studies.running.footprint import bytes_of, clean_files, is_folder, own_files, snapshots
from studies.running.prefix import shared_folder
from studies.running.storage import LINK, stage_of


@dataclass(frozen=True)
class Listed:
    """One study.

    Args:
        name: The study's name.
        method: Its method; None if another program made it.
        counts: Number of trials in each state, without states that have none.
        best: The best value, as printed; None if there is none.
        clean: The value of clean training, as printed; None if it is not known.
        metric: The metric of both values, or two; None if it is not known.
        disk: Bytes of its files.
        snapshots: Bytes of unfinished trials among them.
        changed: When its last trial began or ended; None if there are no trials.
    """

    name: str
    method: str | None
    counts: dict[TrialState, int]
    best: str | None
    clean: str | None
    metric: str | None
    disk: int
    snapshots: int
    changed: datetime | None

    @property
    def finished(self) -> int:
        """Trials that are complete, pruned or failed."""
        return sum(count for state, count in self.counts.items() if state.is_finished())


def listing(storage: RDBStorage, out: str = "runs") -> list[Listed]:
    """The studies of a database, by name.

    Args:
        storage: The database.
        out: The folder for results of their searches.
    """
    names = optuna.get_all_study_names(storage)
    of = {name: stage_of(storage, name) for name in names}

    def root(name: str) -> str:
        return name if (above := of.get(name)) is None else root(above)

    names.sort(key=lambda name: (root(name), of[name] is not None, name))  # stages stand below their study
    return [listed(optuna.load_study(study_name=name, storage=storage), out) for name in names]


def listed(study: optuna.Study, out: str) -> Listed:
    """One study."""
    about, trials = known_identity(study), study.get_trials(deepcopy=False)
    folder, name = folder_of(out, study.study_name), study.study_name
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    best, clean = values(study) if about else (best_of_another(study, trials), None)
    return Listed(
        name=name,
        method=" ".join(filter(None, [str(about["method"]) if about else None, stage_word(study)])) or None,
        counts={state: count for state, count in counts.items() if count},
        best=best,
        clean=clean,
        metric=", ".join(str(about[name]) for name in ("metric", SECOND) if about.get(name)) or None if about else None,
        disk=bytes_of(*own_files(folder)) if about else 0,
        snapshots=bytes_of(*snapshots(folder)) if about else 0,
        changed=max((moment for trial in trials for moment in moments(trial)), default=None),
    )


def stage_word(study: optuna.Study) -> str | None:
    """Which stage of a confirmation this is, beside its method or in its place; None if it is none."""
    link = study.user_attrs.get(LINK)
    return f"({link['stage']})" if isinstance(link, dict) and "stage" in link else None


def values(study: optuna.Study) -> tuple[str | None, str | None]:
    """The best value and that of clean training, as printed; None if the study does not have them."""
    try:
        summary = summarise(study)
    except (UserError, KeyError, TypeError, ValueError):  # not begun yet, or not written by this program
        return None, None
    best = None if summary.best is None or summary.best.value is None else summary.shown(summary.best.value)
    second, clean = summary.second, summary.shown(summary.clean)
    if second is None:
        return best, clean
    known = None if summary.best is None else second.values.get(summary.best.number)
    return (
        best if best is None or known is None else f"{best}, {second.shown(known)}",
        f"{clean}, {second.shown(second.clean)}",
    )


def best_of_another(study: optuna.Study, trials: list[FrozenTrial]) -> str | None:
    """The best value of another program's study; None if it has several objectives or no value."""
    values = [trial.value for trial in trials if trial.state is TrialState.COMPLETE and len(trial.values or []) == 1]
    known = [value for value in values if value is not None and value == value]
    if not known or len(study.directions) > 1:
        return None
    return f"{max(known) if study.direction is optuna.study.StudyDirection.MAXIMIZE else min(known):.4g}"


def moments(trial: FrozenTrial) -> list[datetime]:
    """When the trial began and ended, as far as it has."""
    return [moment for moment in (trial.datetime_start, trial.datetime_complete) if moment is not None]


def shared_bytes(out: str) -> tuple[Path, int]:
    """The folder of the clean epochs that studies share, and its bytes: they count once, for all studies."""
    folder = shared_folder(out)
    found = [path for path in sorted(folder.iterdir()) if is_folder(path)] if is_folder(folder) else []
    return folder, bytes_of(*(file for path in found for file in clean_files(path)))
