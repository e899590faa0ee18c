"""Several methods side by side: a table for terminal and notebook, and one page with links to their reports."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import plotly.graph_objects as go
from rich.console import Console
from rich.table import Table

from finetune.arguments import as_arguments, as_options
from finetune.words import short
from studies.report.drawing import LOOKS, QUIET, add_baseline, plain, styled
from studies.report.files import embedded, scripts
from studies.report.rendering import rendered
from studies.report.terminal import say
from studies.results.digits import shown
from studies.results.facts import DIRECTIONS, task_of
from studies.results.folded import seeds_told
from studies.results.several import Row, Several, control_of
from studies.results.summary import Summary
from studies.results.trials import complete, value_of
from studies.running.whole import write_whole

CAPTION = (
    "Each point is a complete trial, each box the middle half, the dashed line clean training. A method helps if many of"
    " its trials lie on the better side of the line, not only its best. Controls are grey."
)


def cells(several: Several) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table, clean training first."""
    metric, first = several.first.metric, several.first
    compared = any(row.control for row in several.rows)
    heads = [
        "method",
        metric,
        "against clean",
        *(["against control"] if compared else []),
        "complete trials",
        "time per trial",
        "step",
    ]
    clean = [
        "clean",
        first.shown(first.clean),
        "",
        *([""] if compared else []),
        "",
        f"{short(several.seconds, 3)} s",
        "1.00x",
    ]
    return heads, [clean, *(row_cells(row, compared) for row in several.rows)]


def row_cells(row: Row, compared: bool) -> list[str]:
    """The row of a method."""
    summary = row.summary
    control = f"{signed(row.beside, summary.places)} ({row.control})" if row.control else "-"
    return [
        row.method,
        "-" if row.value is None else summary.shown(row.value),
        signed(summary.gain, summary.places),
        *([control] if compared else []),
        f"{len(complete(summary))} of {len(summary.trials)}",
        "-" if row.seconds is None else f"{short(row.seconds, 3)} s",
        "-" if row.passes is None else f"{row.passes:.2f}x",
    ]


def signed(gain: float | None, places: int) -> str:
    """A gain with its sign."""
    return "-" if gain is None else f"{'+' if gain > 0 else ''}{shown(gain, places)}"


COSTS = (
    "Time per trial is the median of complete trials on this machine, including clean epochs; step is the cost of a step by"
    " its passes at the best settings, where clean training is 1."
)


def print_several(console: Console, several: Several) -> None:
    """Print the table, and how far it can be trusted."""
    heads, rows = cells(several)
    table = Table(box=None, pad_edge=False)
    for head in heads:  # in two lines, so that all columns fit into 80 characters and no name is cut
        table.add_column("\n".join(head.rsplit(" ", 1)), overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace(" (", "\n(") for cell in row))
    console.print()
    console.print(table)
    for line in [*several.remarks, COSTS]:
        say(console, line)


def frame(several: Several) -> pd.DataFrame:
    """The table as a data frame of numbers: a row for each method and one for clean training."""
    first = several.first
    rows = [["clean", first.clean, None, None, None, None, several.seconds, 1.0]]
    for row in several.rows:
        facts = [row.value, row.summary.gain, row.control, row.beside, len(row.summary.trials), row.seconds, row.passes]
        rows.append([row.method, *facts])
    names = [
        first.metric,
        "gain over clean",
        "control",
        "gain over control",
        "trials",
        "seconds per trial",
        "cost of a step",
    ]
    return pd.DataFrame(rows, columns=["method", *names]).set_index("method")


def write_several(several: Several, name: str, folders: dict[str, Path], path: Path) -> Path:
    """Write the page.

    Args:
        several: The methods.
        name: The page's name.
        folders: Folders of their studies, by method.
        path: The file.

    Raises:
        OSError: The file cannot be written; no incomplete file is left.
    """
    heads, rows = cells(several)
    links = {method: link(folder / "report.html", path.parent) for method, folder in folders.items()}
    figure = methods(several)
    text = rendered(
        "several.html.jinja",
        name=name,
        facts=shared(several.first),
        heads=heads,
        rows=rows,
        links=links,
        remarks=[as_options(line) for line in [*several.remarks, COSTS]],
        figures=[] if figure is None else [embedded("methods", figure, CAPTION, finding(several))],
        **scripts(),
    )
    return write_whole(path, text)


def shared(summary: Summary) -> dict[str, Any]:
    """What all studies of a page have alike, in rows."""
    about = summary.about
    return {
        "Task": task_of(about["data"]),
        "Model": about["recipe"].get("model", "the loop's own"),
        "Metric": f"{summary.metric}, {DIRECTIONS[summary.maximize]}",
        "Seed": about["recipe"]["seed"],
    }


def several_fragment(several: Several) -> str:
    """The table as a block for a notebook."""
    heads, rows = cells(several)
    return rendered(
        "several_fragment.html.jinja",
        heads=heads,
        rows=rows,
        remarks=[as_arguments(line) for line in [*several.remarks, COSTS]],
    )


def link(file: Path, start: Path) -> str:
    """The link to a file from a page in another folder."""
    return quote(Path(os.path.relpath(file, start)).as_posix())


def finding(several: Several) -> str:
    """The best method beside clean training, in words."""
    first, top = several.first, several.rows[0]
    if top.value is None:
        return "No method has a complete trial."
    values = f"{first.metric} {first.shown(top.value)}, clean training {first.shown(first.clean)}"
    return f"The best trial of all is one of {top.method}: {values}, on {seeds_told(first)}."


def methods(several: Several) -> go.Figure | None:
    """The values of all complete trials of each method."""
    figure, first = go.Figure(), several.first
    for row in several.rows:
        values = [value_of(trial) for trial in complete(row.summary)]
        if values:
            color = QUIET if control_of(row.method) is None else LOOKS["search"]["color"]
            box = go.Box(y=values, name=plain(row.method), boxpoints="all", jitter=0.5, pointpos=0, marker_size=4)
            figure.add_trace(box.update(line={"width": 1.5}, marker_color=color, showlegend=False))
    if not figure.data:
        return None
    add_baseline(figure, first)
    figure.update_yaxes(title_text=plain(first.metric))
    return styled(figure, f"Complete trials of each method ({plain(first.metric)})", 460, 90 * len(figure.data) + 80)
