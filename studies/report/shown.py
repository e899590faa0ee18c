"""What optuna-dashboard shows of a study: kept in the study itself, and written again as the search goes."""

import copy
import hashlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from optuna_dashboard import get_note, save_note, save_plotly_graph_object

from finetune.errors import first_line
from studies.report.attached import attached
from studies.report.compact import compact
from studies.report.markdown import plain
from studies.report.note import note
from studies.report.older import Older
from studies.results.facts import facts_of
from studies.results.summary import Summary, summarise
from studies.running.artifacts import attach
from studies.running.batch import Batch, batch
from studies.running.folder import folder_of

# The system attribute that says what was written last: how much it knew, and what of it is ours to replace.
KEY = "advsearch:shown"
FIGURE = "advsearch-importances"
# Seconds between two notes of a running search; longer if they are slow, so that they take at most a fiftieth of the time.
EVERY, SPARING = 5.0, 50.0


def show(
    summary: Summary,
    storage: RDBStorage,
    render: Callable[[str], str],
    command: str | None = None,
    folder: Path | None = None,
) -> list[str]:
    """Write what the dashboard shows of a study: names, note, attributes, notes of trials, figure and artifacts.

    What a process that knew more trials has written stays, and so does a note that a user has changed.

    Args:
        summary: The study's summary.
        storage: Its database.
        render: Turns a message into its reader's words: arguments or options.
        command: What goes on with the search; if it is None, the one that is known stays.
        folder: The folder for artifacts; None writes none.

    Returns:
        Lines about what was left as it is.
    """
    figure, (files, told) = compact(summary), ([], []) if folder is None else attached(summary, place_of(summary, folder))
    with batch(summary.study, storage) as writes:
        known: dict[str, Any] = writes.system.get(KEY, {})
        if known.get("finished", 0) > len(summary.trials):
            return []
        study = copy.copy(summary.study)
        study._storage = writes  # type: ignore[assignment]
        name_metrics(study, summary)
        command = command or writes.user.get("command")
        facts = facts_of(summary) | ({} if command is None else {"command": command})
        before = known.get("facts", ())
        own = [name for name, fact in facts.items() if name in before or writes.user.get(name, fact) == fact]
        for name in own:
            writes.set_user(name, facts[name])
        lines, body = keep_note(study, note(summary, command, render, [file.name for file in files if file.trial_id]), known)
        note_trials(study, summary, writes)
        if figure is not None:
            save_plotly_graph_object(study, Older(figure), graph_object_id=FIGURE)
        made = known.get("artifacts", {})
        if folder is not None:
            made = attach(writes, folder, made, files)
        now = {"finished": len(summary.trials), "note": body, "facts": own, "artifacts": made}
        writes.set_study_system_attr(writes.id, KEY, now)
    return [*told, *lines]


def place_of(summary: Summary, artifacts: Path) -> Path:
    """The folder of a study's files, beside that of all artifacts."""
    return folder_of(str(artifacts.parent), summary.study.study_name)


def shown_trials(study: optuna.Study) -> int | None:
    """How many finished trials the study knew when it was last written for the dashboard; None if it never was."""
    known = study._storage.get_study_system_attrs(study._study_id).get(KEY)
    return None if known is None else int(known["finished"])


def name_metrics(study: optuna.Study, summary: Summary) -> None:
    """Give each objective the name of its metric."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if study.metric_names is None:
            study.set_metric_names([summary.metric, *([summary.second.metric] if summary.second else [])])


def keep_note(study: optuna.Study, text: str, known: dict[str, Any]) -> tuple[list[str], str | None]:
    """Write the note, unless there is one that is not ours.

    Returns:
        A line if it was left, and the mark of the note that is ours.
    """
    there = get_note(study)
    if there and mark(there) != known.get("note"):
        why = "it was written by hand; empty it, and this program writes it again"
        left = f"the dashboard's note of study {study.study_name} stays as it is: {why}"
        return [left], known.get("note")
    save_note(study, text)
    return [], mark(text)


def mark(text: str) -> str:
    """A short fingerprint of a note; the dashboard may change the ends of its lines."""
    return hashlib.blake2b("\n".join(text.split()).encode(), digest_size=8).hexdigest()


def note_trials(study: optuna.Study, summary: Summary, writes: Batch) -> None:
    """Give every failed or odd trial a note with the reason, unless it has one."""
    odd = {number: [words] for number, words in summary.notes.items()}
    for number, reason in summary.failures:
        odd.setdefault(number, []).insert(0, f"failed: {reason}")
    ids = {trial.number: trial._trial_id for trial in summary.trials}
    for number, words in odd.items():
        trial = SimpleNamespace(storage=writes, study=study, _trial_id=ids[number])
        if not get_note(trial):
            save_note(trial, "\n\n".join(map(plain, words)))


class Shown:
    """Keeps what the dashboard shows of a running search up to date. It never stops the search.

    Args:
        study: The study.
        storage: Its database.
        say: Called with a line if something cannot be written, or is left as it is; each line once.
        render: Turns a message into its reader's words: arguments or options.
        command: What goes on with the search.
        folder: The folder for artifacts.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        say: Callable[[str], None],
        render: Callable[[str], str],
        command: str,
        folder: Path,
    ) -> None:
        self.study, self.storage, self.say, self.render = study, storage, say, render
        self.command, self.folder = command, folder
        self._next, self._told = 0.0, set[str]()

    def on_finished(self, trial: FrozenTrial) -> None:
        """Write again, if the last time is long enough ago."""
        if time.monotonic() >= self._next:
            self.write()

    def write(self, summary: Summary | None = None) -> None:
        """Write now.

        Args:
            summary: The summary of the study at the end, which brings the artifacts; None reads the study as it is.
        """
        began = time.monotonic()
        try:
            folder = None if summary is None else self.folder
            lines = show(summary or summarise(self.study), self.storage, self.render, self.command, folder)
        except Exception as error:  # whatever it is, the search goes on
            lines = [f"what the dashboard shows of study {self.study.study_name} could not be written: {first_line(error)}"]
        for line in lines:
            if line not in self._told:
                self.say(line)
            self._told.add(line)
        now = time.monotonic()
        self._next = now + max(EVERY, SPARING * (now - began))
