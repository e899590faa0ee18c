"""The figures of one study, all with the clean baseline where they show the value."""

import plotly.graph_objects as go

from studies.report.panels import PANELS
from studies.results.summary import Summary


def figures(summary: Summary) -> dict[str, go.Figure]:
    """What can be drawn of a study, by short name, in reading order; without figures that have nothing to show.

    Texts in a figure are escaped: names from data or studies are shown as they are, never taken for markup.
    """
    return {name: figure for name, panel in PANELS.items() if (figure := panel.draw(summary)) is not None}
