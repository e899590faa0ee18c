"""Studies side by side: a table for terminal, notebook and CSV, and one page with figures that needs no network."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from finetune.arguments import as_arguments, as_options
from finetune.words import short
from studies.report.compared_figures import drawn
from studies.report.files import embedded, scripts
from studies.report.rendering import rendered
from studies.report.several import COSTS, link, shared, signed
from studies.report.terminal import say
from studies.results.compare import Entry, SideBySide
from studies.results.folded import seeds_told
from studies.results.trials import complete
from studies.running.whole import write_whole


def cells(found: SideBySide) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table, clean training first."""
    gain = f"gain, {seeds_told(found.first)}"
    heads = ["method", found.first.metric, gain, "confirmed gain", "step", "time per trial", "complete trials"]
    seconds = sum(epoch.seconds for epoch in found.first.baseline)
    clean = ["clean", found.first.shown(found.first.clean), "", "", "1.00x", f"{short(seconds, 3)} s", ""]
    return heads, [clean, *(row_of(entry) for entry in found.entries)]


def row_of(entry: Entry) -> list[str]:
    """The row of one study."""
    summary, row = entry.summary, entry.row
    return [
        entry.label,
        "-" if row.value is None else summary.shown(row.value),
        signed(summary.gain, summary.places),
        confirmed_gain(entry),
        "-" if row.passes is None else f"{row.passes:.2f}x",
        "-" if row.seconds is None else f"{short(row.seconds, 3)} s",
        f"{len(complete(summary))} of {len(summary.trials)}",
    ]


def confirmed_gain(entry: Entry) -> str:
    """The confirmed difference with its interval and its word."""
    found, places = entry.proven, entry.summary.places
    if found is None:
        return "not confirmed"
    between = ""
    if found.low is not None and found.high is not None:
        between = f" [{signed(found.low, places)}, {signed(found.high, places)}]"
    word = found.word if found.decided else f"{found.word} so far"
    return f"{signed(found.mean, places)}{between} {word}"


def print_compared(console: Console, found: SideBySide) -> None:
    """Print the table, and how far it can be trusted."""
    heads, rows = cells(found)
    table = Table(box=None, pad_edge=False)
    for head in heads:  # in two lines, so that all columns fit into 80 characters
        table.add_column("\n".join(head.rsplit(" ", 1)), overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace(" [", "\n[").replace("] ", "]\n") for cell in row))
    console.print()
    console.print(table)
    for line in [*found.remarks, COSTS]:
        say(console, line)


def frame(found: SideBySide) -> pd.DataFrame:
    """The table as numbers: a row for each study, the best trial first."""
    rows = []
    for entry in found.entries:
        summary, row, proven = entry.summary, entry.row, entry.proven
        facts = [entry.name, summary.about["method"], summary.metric, row.value, summary.clean, summary.gain]
        facts += [len(summary.trials), len(complete(summary)), row.seconds, row.passes]
        facts += [None] * 5 if proven is None else [proven.mean, proven.low, proven.high, proven.word, proven.seeds]
        rows.append(facts)
    names = ["study", "method", "metric", "best", "clean", "gain", "trials", "complete trials"]
    names += ["seconds per trial", "cost of a step", "confirmed gain", "confirmed low", "confirmed high", "verdict", "seeds"]
    return pd.DataFrame(rows, columns=names).set_index("study")


def write_compared(found: SideBySide, name: str, folders: dict[str, Path], path: Path) -> Path:
    """Write the page.

    Args:
        found: The studies.
        name: The page's name.
        folders: Folders of the studies, by name; those with a report are linked.
        path: The file.

    Raises:
        OSError: The file cannot be written; no incomplete file is left.
    """
    heads, rows = cells(found)
    reports = {entry.label: folders[entry.name] / "report.html" for entry in found.entries if entry.name in folders}
    links = {label: link(report, path.parent) for label, report in reports.items() if report.is_file()}
    text = rendered(
        "several.html.jinja",
        name=name,
        facts=shared(found.first) | {"Studies": ", ".join(entry.name for entry in found.entries)},
        heads=heads,
        rows=rows,
        links=links,
        remarks=[as_options(line) for line in [*found.remarks, COSTS]],
        figures=[
            embedded(name, figure, caption, found.answer if name == "confirmed" else "")
            for name, (figure, caption) in drawn(found).items()
        ],
        **scripts(),
    )
    return write_whole(path, text)


def compared_fragment(found: SideBySide) -> str:
    """The table as a block for a notebook."""
    heads, rows = cells(found)
    lines = [as_arguments(line) for line in [*found.remarks, COSTS]]
    return rendered("several_fragment.html.jinja", heads=heads, rows=rows, remarks=lines)
