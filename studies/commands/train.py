"""The train command."""

from pathlib import Path
from typing import Any

from rich.console import Console

from finetune.arguments import as_options
from finetune.words import counted
from studies.report.screen import Screen
from studies.report.terminal import say
from studies.training import trained

# How many folders of models are named.
SHOWN = 3


def print_training(config: str, asked: dict[str, Any], out: Path, console: Console) -> None:
    """Train an exported configuration, and compare its value with the recorded one.

    Args:
        config: The file.
        asked: Arguments of ``studies.train``.
        out: A folder.
        console: Where lines are printed.

    Raises:
        UserError: The configuration, its data or its model cannot be used.
    """
    found = trained(config, asked, out, Screen(console, as_options))
    for sentence in [*found.sentences, *found.notes]:
        say(console, sentence)
    if "" in found.runs:
        say(console, f"model: {out}")
        return
    names = [*found.runs]
    some = f"{', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}"
    say(console, f"{counted(len(names), 'model')} in {out}: {some}; search.py predict {out} FILE asks all of them")
