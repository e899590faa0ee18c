"""The confirm command: progress lines, then the verdict and the files."""

from typing import TYPE_CHECKING, Any

from rich.console import Console

from finetune.arguments import as_options
from studies.door import confirmed
from studies.report.screen import Screen

if TYPE_CHECKING:
    from studies.result import Result


def print_confirmation(wish: dict[str, Any], storage: str, study: str | None, out: str, console: Console) -> None:
    """Confirm the best of a study and print what was found.

    Raises:
        UserError: There is no such study, or it has nothing to confirm.
    """
    print_verdict(confirmed(wish, storage, study, out, None, Screen(console, as_options)), console)


def print_verdict(result: "Result", console: Console) -> None:
    """Print what a confirmation found, and the files."""
    from studies.report.terminal import print_paths, say
    from studies.results.confirm_words import verdict_lines
    from studies.results.parts_words import parts_lines

    found = result.verdict
    assert found is not None
    say(console, f"\nstudy {result.name}")
    for line in [*verdict_lines(found), *parts_lines(found)]:
        say(console, line)
    print_paths(console, result.files, result.storage)
