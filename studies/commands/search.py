"""The search command: progress lines, then each method's summary and files, and a table if there are several methods."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from rich.console import Console

from finetune.arguments import as_options
from studies.commands.confirm import print_verdict
from studies.door import searched
from studies.report.screen import Screen

if TYPE_CHECKING:
    from studies.result import Result


def print_search(arguments: dict[str, Any], console: Console) -> None:
    """Search and print progress and results.

    Raises:
        UserError: An argument is wrong.
    """
    screen = Screen(console, as_options)
    found = searched(
        arguments,
        screen,
        on_result=lambda result: print_result(result, console, screen.said, not arguments.get("confirm")),
        on_confirmed=lambda result: print_verdict(result, console),
    )
    if len(found) > 1:
        from studies.report.several import print_several
        from studies.report.terminal import say

        print_several(console, found.side_by_side)
        say(console, f"written: {found.path}")


def print_result(result: "Result", console: Console, said: Collection[str], last: bool = True) -> None:
    """Print what a search found.

    Args:
        result: What it found.
        console: Where to print.
        said: Lines that were printed on the way; they are left out.
        last: Whether to end with the next step.
    """
    from studies.report.terminal import print_paths, print_summary, say
    from studies.running.leftovers import disk_line

    print_summary(console, result.summary, said)
    print_paths(console, result.files, result.storage)
    say(console, disk_line(result.study, result.folder, result.storage))
    if last and (line := result.following(python=False)):
        say(console, line)
