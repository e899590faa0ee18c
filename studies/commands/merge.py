"""The merge command: join the parts of a search, and write the files of the whole study."""

from collections.abc import Sequence

from rich.console import Console

from finetune.arguments import as_options
from studies.commands.report import print_report
from studies.merging import merged, url_of
from studies.report.screen import Screen


def print_merging(
    sources: Sequence[str], into: str, study: str | None, out: str, accept_versions: bool, console: Console
) -> None:
    """Merge studies, and print what was merged and what was found.

    Raises:
        UserError: A database is not there, the studies are not one search, or the merged study is there already.
    """
    result = merged(sources, into, study, out, accept_versions, Screen(console, as_options))
    print_report(url_of(into), result.name, out, console)
