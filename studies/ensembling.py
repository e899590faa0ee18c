"""Select an ensemble of the best trials of one or several studies, and train its members."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.data.load import load_task
from finetune.errors import UserError, near
from finetune.tasks.metrics import viewed
from finetune.tasks.own_metric import read_again
from finetune.tasks.task import Task
from finetune.training.epoch import Epoch
from finetune.words import counted, listed, some
from studies.planning.identity import data_of, folds_of
from studies.planning.request import STORAGE
from studies.report.screen import Screen
from studies.results.best import Best
from studies.results.blending import Pool, alike, blend
from studies.results.candidates import Candidate, candidates_of, summaries_of
from studies.results.ensemble import Ensemble, write_ensemble
from studies.results.export import best_of
from studies.results.handed.card import UNKNOWN, refuse_licence
from studies.results.handed.several import train_several
from studies.results.summary import Summary
from studies.running.estimate import duration
from studies.running.storage import (
    chosen_name,
    close_storage,
    close_with,
    existing_storage,
    public,
    searched_names,
    stage_of,
    storage_errors,
)
from studies.training import liner

Say = Callable[[str], None]
SHOWN = 3
# A selection that takes more seconds is announced.
LONG = 20.0


def ensemble(
    *studies: str,
    size: int = 20,
    train: bool = True,
    license: str = UNKNOWN,
    storage: str = STORAGE,
    runs: str = "runs",
    out: str | Path = "runs/ensemble",
    progress: bool = True,
) -> Ensemble:
    """Select an ensemble of the best trials of studies with folds, and train its members on every fold.

    Members are selected greedily by the metric of the mean of their out-of-fold predictions; a nested estimate says what
    that is worth on rows that did not choose them. Members that are in ``out`` already are not trained again.

    Args:
        *studies: Their names; optional if the database has only one.
        size: How many members there may be, repeated ones counted.
        train: Whether to train the members.
        license: For the model cards, an identifier of the hub.
        storage: Optuna storage URL.
        runs: Folder for results of the searches.
        out: Where the models go.
        progress: Whether to print progress.

    Returns:
        ``members``, ``value``, ``nested``, ``sentences()``, ``to_frame()``, and ``folder``, which ``predict`` takes.

    Raises:
        UserError: There is no such study, or they cannot be combined; the message says why.
    """
    screen = Screen.of(progress)
    licence = refuse_licence(license)
    found = ensemble_of(storage, studies, size, runs, screen.say)
    for line in [*found.lines, *found.sentences()]:
        screen.say(line)
    if train:
        train_members(found, Path(out), licence, screen)
    return found


def ensemble_of(storage: str, names: Sequence[str], size: int, runs: str, say: Say) -> Ensemble:
    """Select an ensemble.

    Args:
        storage: URL of the database.
        names: Names of the studies; optional if the database has only one.
        size: How many members it may have, repeated ones counted.
        runs: The folder for results of the searches.
        say: Called with lines about what was read.

    Raises:
        UserError: There is no such study, or they cannot be combined; the message says why.
    """
    if size < 1:
        raise UserError(f"{arg('size', size)}: an ensemble has at least 1 member")
    opened = existing_storage(storage)
    try:
        with storage_errors(storage):
            studies = [optuna.load_study(study_name=name, storage=opened) for name in chosen(opened, storage, names)]
            summaries = summaries_of(studies)
    except BaseException:
        close_storage(opened)
        raise
    close_with(studies[0], opened)
    task = task_of(summaries)
    candidates, lines = candidates_of(summaries, task, runs)
    for line in lines:
        say(line)
    return selected(summaries, candidates, task, size, say)


def chosen(opened: RDBStorage, url: str, names: Sequence[str]) -> list[str]:
    """The names, after checking them.

    Raises:
        UserError: There is no such study, it is named twice, or it is a stage of a confirmation.
    """
    if not names:
        return [chosen_name(opened, url, None)]
    known = searched_names(opened)
    for at, name in enumerate(names):
        if (of := stage_of(opened, name)) is not None:
            raise UserError(f"{name!r} is a part of the confirmation of study {of!r}: name that study")
        if name not in known:
            raise UserError(f"there is no study {name!r} in {public(url)}{near(name, known)}")
        if name in names[:at]:
            raise UserError(f"study {name!r} is named twice; name each study once")
    return list(names)


def task_of(summaries: Sequence[Summary]) -> Task:
    """The rows and folds of the studies.

    Raises:
        UserError: They cannot be read, or have changed.
    """
    about, name = summaries[0].about, summaries[0].study.study_name
    read_again(about, f"study {name!r}")
    try:
        task = load_task(data_of(about), about.get("metric file", {}).get(about["metric"], about["metric"]), folds_of(about))
    except UserError as error:
        raise UserError(f"study {name!r}: its data cannot be read: {error.text}") from None
    if task.fingerprint != about["data fingerprint"]:
        raise UserError(f"study {name!r}: its data has changed since the search, so its predictions are about other rows")
    return task


def selected(summaries: Sequence[Summary], candidates: list[Candidate], task: Task, size: int, say: Say) -> Ensemble:
    """Select, and find out what the selection is worth; says how long that takes, if it takes long."""
    first, lines = summaries[0], list[str]()
    view, metric = viewed(first.metric)
    if view:
        lines.append(
            f"the trials were chosen by {first.metric}, and ensembles are by {metric}: predictions are of texts as they are"
        )
    scores = {folds_of(one.about).fold_score for one in summaries}
    folded = scores == {"mean"}
    if len(scores) > 1:
        lines.append(
            f"some studies are judged by all rows, others by the mean over folds; here all rows count ({arg('fold_score')})"
        )
    if any(each.oof.seeds > 1 for each in candidates):
        what = "the seeds of a trial are averaged before it is scored"
        lines.append(f"{what}; its study has the mean of the values of its seeds, which is another number")
    pool = Pool(task, metric, first.maximize, folded)
    parts = alike([pool.part(each.oof) for each in candidates])
    began = time.perf_counter()
    pool.judged(pool.output(parts[0], pool.rows), pool.rows)
    seconds = (time.perf_counter() - began) * len(parts) * (size + 1) * (task.folds + 1)
    if seconds > LONG:
        say(f"selecting from {len(parts)} trials, once on all folds and once without each: about {duration(seconds)}")
    picked, nested = pool.pick(parts, size), pool.nested(parts, size)
    settled = pool.chosen(blend(parts, picked.weights), pool.rows)
    what = "targets" if pool.kind.raw_as == "values" else "probabilities"
    names = f"{counted(len(candidates), 'trial')} of {listed([one.study.study_name for one in summaries])}"
    head = f"{names} with out-of-fold predictions of {counted(len(task.validation), 'row')} in {task.folds} folds"
    kept = None if settled is None else [float(value) for value in settled.ravel()]
    drawn, how = "rows" if task.groups is None else "groups", (metric, first.maximize, first.places)
    return Ensemble(candidates, picked, nested, *how, kept, what, drawn, lines=[head, *lines])


class Teller:
    """Prints the lines of a member's training; those about the data, which are the same for all members, only once.

    Args:
        screen: Where they are printed.
        line: Prints a line for each evaluation.
        heard: The lines before the first evaluation, of all members.
    """

    def __init__(self, screen: Screen, line: Callable[[str, Epoch], None], heard: set[str]) -> None:
        self.screen, self.line, self.heard, self.begun = screen, line, heard, False

    def tell(self, line: str) -> None:
        """Print a line."""
        if self.begun or line not in self.heard:
            self.screen.say(line)
        if not self.begun:
            self.heard.add(line)

    def on_epoch(self, who: str, epoch: Epoch) -> None:
        """Print a line about an evaluation."""
        self.begun = True
        self.line(who, epoch)


def train_members(ensemble: Ensemble, out: Path, licence: str, screen: Screen) -> None:
    """Train the members on all their folds and seeds, and write what ``predict`` reads; what is there already stays.

    Args:
        ensemble: The ensemble.
        out: Where the models go, a folder for each member.
        licence: For the model cards.
        screen: Where progress is printed.

    Raises:
        UserError: The folder cannot be used, or data or model cannot be read.
        Diverged: A member does not train any more.
    """
    other, heard = list[str](), set[str]()
    for at, (each, _) in enumerate(ensemble.members, 1):
        best = best_of(each.summary, each.number)
        assert isinstance(best, Best)
        folds = best.folds
        assert folds is not None
        screen.say(f"member {at} of {len(ensemble.members)}: trial {each.number} of study {each.study}")
        teller = Teller(screen, liner(best, screen), heard)
        found = train_several(best, folds, out / each.name, teller.tell, teller.on_epoch, licence)
        if not found.same:
            other.append(f"{each.name} ({ensemble.shown(found.value)})")
    if other:
        what = f"not the models that were selected: {some(other, SHOWN)}"
        screen.say(f"{what}; their values differ from the search's, so the ensemble's may too")
    write_ensemble(ensemble, out)
    ensemble.folder = out
    names = {each.name for each, _ in ensemble.members}
    if left := sorted(path.name for path in out.iterdir() if path.is_dir() and path.name not in names):
        screen.say(f"{out} has folders that are no members: {some(left, SHOWN)}; delete them if nothing else needs them")
