"""What a study leaves in its folder: report, table of trials, best config."""

from pathlib import Path

from optuna.trial import TrialState
from rich.console import Console

from finetune.errors import writing
from studies.commands.console import say
from studies.report.files import write_report, write_trials
from studies.results.export import as_yaml, best_of
from studies.results.summary import Summary
from studies.running.storage import public
from studies.running.whole import write_whole


def study_folder(out: str, name: str) -> Path:
    """The folder of a study; its name is made safe for a path.

    Raises:
        UserError: It cannot be made or written.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".") or "study"
    folder = Path(out).expanduser() / safe
    probe = folder / ".writable"
    with writing(f"--out {out}"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_text("1")
        finally:
            probe.unlink(missing_ok=True)
    return folder


def write_outputs(summary: Summary, folder: Path, storage: str, console: Console) -> None:
    """Report, table and best config, each whole or not at all."""
    paths = [write_report(summary, folder), write_trials(summary, folder)]
    if summary.count(TrialState.COMPLETE):
        paths.append(write_whole(folder / "best.yaml", as_yaml(best_of(summary))))
    for path in paths:
        say(console, f"written: {path!s}")
    if summary.count(TrialState.COMPLETE):
        say(console, f"train the best: python search.py train {folder / 'best.yaml'!s}")
    line = "" if storage == "sqlite:///studies.db" else f" --storage {public(storage)}"
    say(console, f"look at the trials: python search.py dashboard{line}")
