"""The clean command: show what studies could do without on disk, and free it."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from finetune.arguments import arg
from studies.cleaning import Cleaning, cleaned
from studies.commands.studies import agreed
from studies.planning.words import size
from studies.report.terminal import say


def print_cleaning(
    url: str,
    names: Sequence[str],
    out: str,
    everything: bool,
    yes: bool,
    console: Console,
    ask: Callable[[str], str] = input,
) -> None:
    """Show what could go, ask, and delete it.

    Args:
        url: URL of the database.
        names: Names of studies; without names all of them.
        out: The results folder that their searches used.
        everything: Whether what is still good for something may go too.
        yes: Whether to delete without asking.
        console: Where to print.
        ask: Asks the user at the terminal.

    Raises:
        UserError: There is no such study, or another program made it.
    """
    found = cleaned(url, names, out, everything, yes)
    for line in found.told():
        say(console, line)
    if not found.going:
        say(console, f"nothing to free{rest(found)}")
        return
    if not yes:
        say(console, f"{size(found.bytes)} can go{rest(found)}")
        if not sys.stdin.isatty():
            say(console, f"nothing was freed, as there is no terminal to ask on: {arg('yes', True)} frees it")
            return
        if not agreed(ask, f"free {size(found.bytes)}? [y/N] "):
            say(console, "nothing was freed")
            return
        known = set(found.told())
        found = cleaned(url, names, out, everything, yes=True)
        for line in found.lines:
            if line not in known:
                say(console, line)
    say(console, f"freed: {size(found.freed)}")


def rest(found: Cleaning) -> str:
    """The end of a line about what goes: how much stays."""
    stays = sum(spare.size for spare in found.spares) - found.bytes
    return f"; {size(stays)} more with {arg('everything', True)}" if stays else ""
