"""The files of a study for people: one HTML page that needs no network, and its trials as CSV."""

import html
import json
import tempfile
from collections.abc import Collection
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from studies.report.figures import figures
from studies.report.page import PARTS, page
from studies.report.panels import PANELS
from studies.report.rendering import rendered
from studies.results.summary import Summary
from studies.results.trials import to_csv
from studies.running.whole import write_whole

# plotly.js by default shows a button that sends the data to its maker's server.
CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}


def write_report(summary: Summary, folder: Path) -> Path:
    """Write ``report.html``.

    Args:
        summary: The study's summary.
        folder: Created if it does not exist.

    Raises:
        OSError: The file cannot be written; no incomplete file is left.
    """
    return write_whole(folder / "report.html", report_text(summary))


def report_text(summary: Summary) -> str:
    """The complete page."""
    parts: dict[str, list[dict[str, Any]]] = {part: [] for part in PARTS}
    for name, figure in figures(summary).items():
        panel = PANELS[name]
        parts[panel.PART].append(embedded(name, figure, caption_of(panel, summary), panel.finding(summary)))
    return rendered("report.html.jinja", **page(summary, drawn_in=parts), figures=parts, **scripts())


def caption_of(panel: ModuleType, summary: Summary) -> str:
    """How to read a panel: its caption, or what it says of this study."""
    return str(panel.caption(summary) if hasattr(panel, "caption") else panel.CAPTION)


def scripts() -> dict[str, str]:
    """What a page with figures needs; the template takes plotly's megabytes as they are, for each mark is a copy."""
    return {"plotly": get_plotlyjs(), "figure_config": Markup(json.dumps(CONFIG))}


def embedded(name: str, figure: go.Figure, caption: str, finding: str = "") -> dict[str, Any]:
    """A figure for the template: its title becomes a heading, which wraps on a narrow screen.

    Args:
        name: A name for its id.
        figure: The figure.
        caption: How to read it.
        finding: What it shows, in a sentence; without one, the caption is read to who does not see the figure.
    """
    title = html.unescape(figure.layout.title.text)
    figure.update_layout(title=None, margin={"t": 30})
    spec = figure.to_json().replace("<", "\\u003c")  # nothing in it ends the script that holds it
    least = figure.layout.meta["least"]
    return {"name": name, "title": title, "spec": Markup(spec), "caption": caption, "finding": finding, "least": least}


def write_trials(summary: Summary, folder: Path) -> Path:
    """Write ``trials.csv``: one row for each finished trial; the value of a pruned trial is its last report.

    Args:
        summary: The study's summary.
        folder: Created if it does not exist.

    Raises:
        OSError: The file cannot be written; no incomplete file is left.
    """
    return write_whole(folder / "trials.csv", to_csv(summary))


def write_images(summary: Summary, folder: Path, names: Collection[str] = tuple(PANELS)) -> list[Path]:
    """Write figures as PNGs, if kaleido and a Chrome are installed.

    Args:
        summary: The study's summary.
        folder: Created if it does not exist.
        names: The panels to draw.

    Returns:
        The files; none if kaleido or Chrome is missing, or there is nothing to draw.

    Raises:
        OSError: The files cannot be written.
    """
    if find_spec("kaleido") is None:
        return []
    drawn = {name: figure for name, figure in figures(summary).items() if name in names}
    if not drawn:
        return []
    kaleido, errors = import_module("kaleido"), import_module("kaleido.errors")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as writing:
        paths = [Path(writing, f"{name}.png") for name in drawn]
        sizes = [{"format": "png", "width": 1000, "height": figure.layout.height, "scale": 2} for figure in drawn.values()]
        jobs = zip(drawn.values(), paths, sizes, strict=True)
        specs = [{"fig": figure.to_dict(), "path": path, "opts": size} for figure, path, size in jobs]
        try:
            kaleido.write_fig_from_object_sync(specs, kopts={"mathjax": False})  # otherwise it is fetched from the network
        except errors.ChromeNotFoundError:
            return []
        return [path.replace(folder / path.name) for path in paths]
