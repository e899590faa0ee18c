"""The compare command."""

from collections.abc import Sequence

from rich.console import Console

from finetune.arguments import arg
from finetune.errors import writing
from studies.door import compare
from studies.report.compared import print_compared
from studies.report.terminal import say


def print_comparison(storage: str, names: Sequence[str], out: str, console: Console) -> None:
    """Print studies side by side and write their page.

    Raises:
        UserError: The studies cannot be compared, or a file cannot be written.
    """
    found = compare(*names, storage=storage, out=out)
    print_compared(console, found.found)
    with writing(arg("out", out)):
        page = found.report()
    for path in (page, page.with_suffix(".csv")):
        say(console, f"written: {path}")
