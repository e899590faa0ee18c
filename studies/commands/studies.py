"""The studies command: list the studies of a database, or delete one."""

import sys
from collections.abc import Callable

from optuna.trial import TrialState
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.arguments import arg
from finetune.errors import UserError
from studies.planning.words import size
from studies.report.terminal import print_wide, say
from studies.results.listing import Listed, listing, shared_bytes
from studies.running.removal import plan_removal, remove
from studies.running.storage import close_storage, existing_storage, holds_none, storage_errors

STATES = {
    TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed",
    TrialState.RUNNING: "running", TrialState.WAITING: "waiting",
}  # fmt: skip
TITLES = ("study", "method", "trials", "metric", "best", "clean", "disk", "last change")


def print_studies(url: str, out: str, console: Console) -> None:
    """Print a table of the studies of a database.

    Raises:
        UserError: There is no such database, or it cannot be read.
    """
    storage = existing_storage(url)
    try:
        with storage_errors(url):
            found = listing(storage, out)
    finally:
        close_storage(storage)
    if not found:
        say(console, holds_none(url))
        return
    table = Table(*TITLES, box=SIMPLE_HEAD, pad_edge=False)
    for study in found:
        table.add_row(*map(Text, cells(study)))
    print_wide(console, table)
    folder, shared = shared_bytes(out)
    if shared:
        say(console, f"clean epochs that studies share: {size(shared)} in {folder}")


def cells(study: Listed) -> tuple[str, ...]:
    """The cells of one row."""
    states = ", ".join(f"{count} {STATES[state]}" for state, count in study.counts.items())
    trials = f"{study.finished} finished" + (f" ({states})" if states else "")
    disk = size(study.disk) + (f", {size(study.snapshots)} of unfinished trials" if study.snapshots else "")
    return (
        study.name,
        study.method or "another program's",
        trials,
        study.metric or "-",
        study.best or "-",
        study.clean or "-",
        disk if study.method else "-",
        f"{study.changed:%Y-%m-%d %H:%M}" if study.changed else "-",
    )


def print_deletion(url: str, name: str, out: str, yes: bool, console: Console, ask: Callable[[str], str] = input) -> bool:
    """Ask, then delete a study and its files.

    Args:
        url: URL of the database.
        name: The study's name.
        out: The results folder that its search used.
        yes: Whether to delete without asking.
        console: Where to print.
        ask: Asks the user at the terminal.

    Returns:
        Whether it was deleted.

    Raises:
        UserError: There is no such study, another program made it, a trial is running, or there is no terminal to ask on.
    """
    storage = existing_storage(url)
    try:
        with storage_errors(url):
            removal = plan_removal(storage, name, out)
            if not yes and not sys.stdin.isatty():
                what = "; ".join(removal.lines)
                raise UserError(f"this would delete {what}; there is no terminal to ask on: confirm with {arg('yes', True)}")
            for line in removal.lines:
                say(console, f"{'deleting' if yes else 'to delete'}: {line}")
            for line in removal.kept:
                say(console, line)
            if not yes and not agreed(ask):
                say(console, "nothing was deleted")
                return False
            for line in remove(removal, storage):
                say(console, line)
    finally:
        close_storage(storage)
    say(console, f"deleted: study {name}")
    return True


def agreed(ask: Callable[[str], str], question: str = "delete this? [y/N] ") -> bool:
    """Whether the answer is yes; end of input counts as no."""
    try:
        return ask(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
