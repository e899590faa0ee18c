"""The ensemble command: select, print members and what they are worth, and train them."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.arguments import as_options
from studies.ensembling import ensemble_of, train_members
from studies.report.screen import Screen
from studies.report.terminal import print_wide, say
from studies.results.ensemble import Ensemble, trial_of
from studies.results.handed.card import refuse_licence
from studies.results.sentences import settings_line
from studies.results.summary import settings_of


def print_ensemble(
    url: str, names: Sequence[str], size: int, train: bool, licence: str, runs: str, out: Path, console: Console
) -> None:
    """Select an ensemble, print it, and train its members.

    Args:
        url: URL of the database.
        names: Names of the studies.
        size: How many members there may be, repeated ones counted.
        train: Whether to train the members.
        licence: For the model cards.
        runs: The folder for results of the searches.
        out: Where the models go.
        console: Where to print.

    Raises:
        UserError: There is no such study, or they cannot be combined.
    """
    licence, screen = refuse_licence(licence), Screen(console, as_options)
    found = ensemble_of(url, names, size, runs, screen.say)
    for line in found.lines:
        say(console, line)
    print_members(found, console)
    for line in found.sentences():
        say(console, line)
    if not train:
        return
    train_members(found, out, licence, screen)
    say(console, f"ensemble: {out}; search.py predict {out} FILE asks all of its models")


def print_members(found: Ensemble, console: Console) -> None:
    """Print a table of the members, the heaviest first."""
    alone = {each.name: value for each, value in zip(found.candidates, found.picked.alone, strict=True)}
    table = Table("weight", "study", "trial", f"{found.metric} alone", "settings", box=SIMPLE_HEAD, pad_edge=False)
    for each, weight in found.members:
        settings = settings_line(settings_of(trial_of(each), each.summary.about))
        cells = (f"{weight:.2f}", each.study, str(each.number), found.shown(alone[each.name]), settings)
        table.add_row(*map(Text, cells))
    print_wide(console, table)
