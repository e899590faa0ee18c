"""The figures of one study; those that show the value also show the clean baseline."""

import plotly.graph_objects as go

from studies.report.panels import PANELS
from studies.results.summary import Summary


def figures(summary: Summary) -> dict[str, go.Figure]:
    """The figures of a study by short name, in reading order, without figures that have nothing to show.

    Texts in a figure are escaped: names from data or studies are shown as they are, never taken for markup.
    """
    return {name: figure for name, panel in PANELS.items() if (figure := panel.draw(summary)) is not None}
